/* Layouts as people have them: which folders are splits, and classes in files' names. */
#include "make.h"
#include "sets.h"

/* Puts an image for each name in a list that ends with NULL. */
static void put_all(const char *folder, const char *const *names)
{
    char name[256];
    for (int i = 0; names[i]; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        put_jpeg(name, 9, 9, i);
    }
}
#define PUT(folder, ...) put_all(folder, (const char *const[]){__VA_ARGS__, NULL})

/* Opens a folder with so many classes and images of training, validation and test. */
static void expect(const char *folder, size_t classes, size_t train, size_t validation, size_t test)
{
    clade_dataset *d = load((clade_data_options){.path = path_of(folder)});
    if (!d) return;
    CHECK(clade_dataset_classes(d) == classes);
    CHECK(count(d, CLADE_TRAIN) == train);
    CHECK(count(d, CLADE_VALIDATION) == validation);
    CHECK(count(d, CLADE_TEST) == test);
    clade_dataset_destroy(&d);
}

static void test_splits(void)
{
    PUT("intel", "seg_train/seg_train/a/0.jpg", "seg_train/seg_train/b/0.jpg",
        "seg_test/seg_test/a/0.jpg", "seg_test/seg_test/b/0.jpg", "seg_pred/seg_pred/0.jpg",
        "seg_pred/seg_pred/1.jpg");
    expect("intel", 2, 2, 0, 2);
    PUT("asl", "asl_train/asl_train/A/0.jpg", "asl_train/asl_train/B/0.jpg",
        "asl_test/asl_test/A_test.jpg");
    expect("asl", 2, 2, 0, 0);
    PUT("wrapped", "training_set/training_set/a/0.jpg", "training_set/training_set/b/0.jpg",
        "test_set/test_set/a/0.jpg", "test_set/test_set/b/0.jpg");
    expect("wrapped", 2, 2, 0, 2);
    PUT("letters", "x_train/a/0.jpg", "x_train/b/0.jpg", "x_dev/a/0.jpg", "x_dev/b/0.jpg");
    expect("letters", 2, 2, 2, 0);
    PUT("camel", "TrainImages/a/0.jpg", "TrainImages/b/0.jpg", "val2017/a/0.jpg", "val2017/b/0.jpg",
        "EVAL-old/a/0.jpg");
    expect("camel", 2, 2, 2, 0); /* the one that says no more than its split */
    PUT("top", "Data/train_images/a/0.jpg", "Data/train_images/b/0.jpg", "Data/notes/0.jpg");
    expect("top", 2, 2, 0, 0);
}

/* Classes that are called like splits. */
static void test_classes(void)
{
    PUT("stations", "train_station/0.jpg", "bus_station/0.jpg", "test_track/0.jpg");
    expect("stations", 3, 3, 0, 0);
    PUT("deep", "train_station/day/0.jpg", "train_station/night/0.jpg", "bus_station/day/0.jpg");
    expect("deep", 2, 3, 0, 0);
    PUT("both", "train_test/0.jpg", "other/0.jpg");
    expect("both", 2, 2, 0, 0);
}

/* What cannot be told is refused, and the line says what to do. */
static void test_unsure(void)
{
    PUT("flat", "train/cat.0.jpg", "train/dog.0.jpg", "test/1.jpg");
    CHECK_FAILS(try_open(path_of("flat")), CLADE_EINVAL, "no folder in train is a class");
    CHECK(strstr(clade_error(), "--label-pattern"));
    PUT("mixed", "my_train/a/0.jpg", "my_train/b/0.jpg", "my_test/a/0.jpg", "my_test/b/0.jpg",
        "more/a/0.jpg");
    CHECK_FAILS(try_open(path_of("mixed")), CLADE_EINVAL,
                "my_train and my_test look like splits, more does not");
    PUT("two", "my_train/a/0.jpg", "my_train/b/0.jpg", "your_train/a/0.jpg", "your_train/b/0.jpg",
        "my_test/a/0.jpg", "my_test/b/0.jpg");
    CHECK_FAILS(try_open(path_of("two")), CLADE_EINVAL, "two folders for the training split");
}

/* A test split may lack a class, a validation split may not. */
static void test_lacking(void)
{
    PUT("lacks", "train/a/0.jpg", "train/b/0.jpg", "train/c/0.jpg", "test/b/0.jpg");
    put_folder("lacks/test/c");
    expect("lacks", 3, 3, 0, 1);
    PUT("lacks", "test/d/0.jpg");
    CHECK_FAILS(try_open(path_of("lacks")), CLADE_EINVAL, "class 'd' is in");
    PUT("short", "train/a/0.jpg", "train/b/0.jpg", "val/b/0.jpg");
    CHECK_FAILS(try_open(path_of("short")), CLADE_EINVAL, "class 'a' is in");
}

/* The classes of a classifier, in its order. */
static void test_given_classes(void)
{
    static const char *const classes[] = {"dogs", "cats", "birds"};
    clade_data_options options = {
        .path = path_of("given"), .classes = classes, .class_count = 3, .max_damaged = 1};
    clade_dataset *d = NULL;
    PUT("given", "cats/0.jpg", "cats/1.jpg", "dogs/0.jpg");
    d = load(options);
    CHECK(d && clade_dataset_classes(d) == 3 && !strcmp(clade_dataset_class_name(d, 0), "dogs"));
    CHECK(d && clade_dataset_class_count(d, CLADE_TRAIN, 1) == 2 &&
          clade_dataset_class_count(d, CLADE_TRAIN, 2) == 0);
    CHECK(d && clade_dataset_label(d, CLADE_TRAIN, 0) == 0 &&
          !strcmp(clade_dataset_name(d, CLADE_TRAIN, 0), "dogs/0.jpg"));
    clade_dataset_destroy(&d);
    PUT("given", "eels/0.jpg");
    CHECK_FAILS(clade_dataset_open(&options, &d), CLADE_EINVAL, "class 'eels' is in");
    CHECK(strstr(clade_error(), "but not in the classifier"));
}

static clade_status try_pattern(const char *folder, const char *pattern)
{
    clade_dataset *d = NULL;
    clade_data_options options = {.path = path_of(folder), .label_pattern = pattern};
    clade_status status = clade_dataset_open(&options, &d);
    clade_dataset_destroy(&d);
    return status;
}

static void test_patterns(void)
{
    static const char *const sound[] = {"^([a-z]+)[.]",
                                        "^(?<class>[a-z]+)\\.\\d",
                                        "(?P<label>cat|dog)()",
                                        "^([]a-z(]+)\\.",
                                        "^(.*)[.].[.]",
                                        "(n)?/(?<class>[a-z]+)\\.[0-9]",
                                        "^([a-z{9,999}]{3})[.][0-9]{1,255}"};
    PUT("named", "train/cat.0.jpg", "train/dog.0.jpg", "train/dog.1.jpg", "train/1.jpg",
        "test/cat.7.jpg", "test/dog.8.jpg");
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        clade_dataset *d =
            load((clade_data_options){.path = path_of("named"), .label_pattern = sound[i]});
        CHECK(d && clade_dataset_classes(d) == 2 && count(d, CLADE_TRAIN) == 3 &&
              count(d, CLADE_TEST) == 2);
        CHECK(d && !strcmp(clade_dataset_class_name(d, 0), "cat") &&
              clade_dataset_label(d, CLADE_TRAIN, 2) == 1);
        CHECK(d && skips(d, "train/1.jpg", "finds no class in its name"));
        clade_dataset_destroy(&d);
    }
    /* the whole name */
    PUT("years", "2019/cat/a-0.jpg", "2019/dog/a-1.jpg", "2020/cat/b-2.jpg", "2020/dog/b-3.jpg");
    clade_dataset *d =
        load((clade_data_options){.path = path_of("years"), .label_pattern = "/(.*)/"});
    CHECK(d && clade_dataset_classes(d) == 2 && count(d, CLADE_TRAIN) == 4 &&
          !strcmp(clade_dataset_class_name(d, 1), "dog"));
    clade_dataset_destroy(&d);

    CHECK_FAILS(try_pattern("named", "cat"), CLADE_EINVAL, "0 groups: which is the class?");
    CHECK_FAILS(try_pattern("named", "(a)(b)"), CLADE_EINVAL, "2 groups");
    CHECK_FAILS(try_pattern("named", "(?:a)(b)"), CLADE_EINVAL, "expected one group");
    CHECK_FAILS(try_pattern("named", "(?<a>a)(?<b>b)"), CLADE_EINVAL, "expected one group");
    CHECK_FAILS(try_pattern("named", "(a"), CLADE_EINVAL, "label pattern '(a': ");
    static const char *const long_ones[] = {"(?<a>((a{9,255}){255}){2,})",
                                            "(a{1,99999999999999999999})",
                                            "(?<a>(a{1,64}){1,65})",
                                            "(?<a>(a{64})*{65})",
                                            "(a{64}{65})",
                                            "([(]{4000})\\d{97}",
                                            "(?<a>(a{99}){40})(b{99}){9}"};
    for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++)
        CHECK_FAILS(try_pattern("named", long_ones[i]), CLADE_EINVAL,
                    "more than 4096 parts with its repeats {…} written out");
    static const char *const nested[] = {"^(?<a>(([a-z]*){1,20}){1,20})_", "(?<a>(c{1,64}){1,63})",
                                         "(c{6}{2})", "(?<a>(([a-z]{2}-)x)+{2})"};
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        CHECK_FAILS(try_pattern("named", nested[i]), CLADE_EINVAL, "nested repeats {…}: write one");
    CHECK_FAILS(try_pattern("named", "(?<a>(c{1,64}){1,1}c{1,63})(.{1,60}){1,1}.{0}[{9}]{3}"),
                CLADE_EINVAL, "finds no class in any image's name");
    CHECK_FAILS(try_pattern("named", "(bird)"), CLADE_EINVAL, "finds no class in any image's name");
    CHECK_FAILS(try_pattern("named", "(cat)"), CLADE_EINVAL, "only one class, 'cat'");
}

static clade_status try_list(const char *folder, const char *list, const char *columns)
{
    clade_dataset *d = NULL;
    clade_data_options options = {.path = path_of(folder),
                                  .labels = put_file("list.csv", list, strlen(list)),
                                  .label_columns = columns};
    clade_status status = clade_dataset_open(&options, &d);
    clade_dataset_destroy(&d);
    return status;
}

static void test_lists(void)
{
    static const struct {
        const char *text, *columns;
    } sound[] = {
        {"id,breed\n0,cat\n1,dog\n2,cat\n9,dog\n", "id,breed"},
        {"class;other;image\r\ncat;x;train/0.jpg\r\ndog;;1.jpg\r\n\r\ncat;y;2.jpg\r\ndog;;9.jpg",
         NULL},
        {"\xef\xbb\xbf"
         "file\tlabel\nlisted/train/0.jpg\tcat\n1\tdog\n./train/2\tcat\nnone\tdog\n",
         NULL},
        {"0.jpg cat\n1.jpg   dog\ntrain/2.jpg\tcat \n9.jpg dog", NULL},
        {"0.jpg,cat\n1.jpg,dog\n2.jpg,cat\n2.jpg,cat\n9.jpg,dog\n", NULL},
        {"Datei;Klasse\n listed\\train\\0.jpg; cat \nC:\\listed\\train\\1.jpg;dog\n2.jpg;cat\n",
         NULL},
        {"label,file\n\"cat\",\"0.jpg\"\ndog,1.jpg\ncat,\"train/2.jpg\"\ndog,9\n", NULL},
        {"[{\"id\": 0, \"breed\": \"cat\"}, {\"id\": 1, \"breed\": \"dog\", \"age\": 4},\n"
         "{\"breed\": \"cat\", \"id\": \"train/2\"}, {\"id\": \"9\", \"breed\": \"dog\"}]",
         "id,breed"},
        {"{\"file_name\": \"0.jpg\", \"label\": \"cat\", \"box\": [1, 2]}\n\n"
         "{\"file_name\": \"1.jpg\", \"label\": \"dog\", \"box\": []}\r\n"
         "{\"file_name\": \"2.jpg\", \"label\": \"cat\"}\n{\"file_name\": \"9\", \"label\": "
         "\"dog\"}\n",
         NULL},
        {"\xef\xbb\xbf {\"0.jpg\": \"cat\", \"1.jpg\": \"dog\", \"2.jpg\": \"cat\", \"9\": "
         "\"dog\"}",
         NULL},
        {"{\"cat\": [0, \"2.jpg\"], \"dog\": [\"train/1.jpg\", \"9.jpg\"]}", NULL},
        {"{\"info\": {}, \"images\": [{\"id\": 70, \"file_name\": \"0.jpg\"}, "
         "{\"id\": 3, \"file_name\": \"1.jpg\"}, {\"id\": 44, \"file_name\": \"2.jpg\"}, "
         "{\"id\": 5, \"file_name\": \"9.jpg\"}, {\"id\": 6, \"file_name\": \"3.jpg\"}], "
         "\"annotations\": [{\"image_id\": 44, \"category_id\": 9}, "
         "{\"image_id\": 70, \"category_id\": 9, \"bbox\": [0, 0, 1, 1]}, "
         "{\"image_id\": 70, \"category_id\": 9}, {\"image_id\": 3, \"category_id\": 2}, "
         "{\"image_id\": 5, \"category_id\": 2}], "
         "\"categories\": [{\"id\": 9, \"name\": \"cat\"}, {\"id\": 2, \"name\": \"dog\"}]}",
         NULL}};
    PUT("listed", "train/0.jpg", "train/1.jpg", "train/2.jpg", "train/3.jpg");
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        clade_dataset *d = load((clade_data_options){
            .path = path_of("listed"),
            .labels = put_file("list.csv", sound[i].text, strlen(sound[i].text)),
            .label_columns = sound[i].columns});
        CHECK(d && count(d, CLADE_TRAIN) == 3 && clade_dataset_class_count(d, CLADE_TRAIN, 0) == 2);
        CHECK(d && !strcmp(clade_dataset_class_name(d, 1), "dog"));
        CHECK(d && clade_dataset_skipped(d) == 2 && skips(d, "train/3.jpg", "not in the list"));
        clade_dataset_destroy(&d);
    }
    /* a column of splits; a name that stands in several folders; a class with a comma and quotes */
    static const char splits[] = "filepaths,labels,data set\na/0.jpg,\"x, \"\"1\"\"\",train\n"
                                 "b/0.jpg,y,train\na/1.jpg,y,valid\nb/1.jpg,\"x, \"\"1\"\"\",Val\n"
                                 "c/0.jpg,y,test\n";
    PUT("split", "a/0.jpg", "b/0.jpg", "a/1.jpg", "b/1.jpg", "c/0.jpg");
    clade_dataset *d = load((clade_data_options){
        .path = path_of("split"), .labels = put_file("split.csv", splits, strlen(splits))});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && count(d, CLADE_VALIDATION) == 2 &&
          count(d, CLADE_TEST) == 1);
    CHECK(d && !strcmp(clade_dataset_class_name(d, 0), "x, \"1\""));
    CHECK(d && !strcmp(clade_dataset_name(d, CLADE_VALIDATION, 0), "b/1.jpg"));
    clade_dataset_destroy(&d);

    /* images of the test split, but not others, may be without a class */
    static const char blank[] = "file,label,split\na/0.jpg,x,train\nb/0.jpg,y,train\n"
                                "a/1.jpg,,test\nb/1.jpg,,test\nc/0.jpg,y,test\n";
    d = load((clade_data_options){.path = path_of("split"),
                                  .labels = put_file("blank.csv", blank, strlen(blank))});
    CHECK(d && clade_dataset_classes(d) == 2 && count(d, CLADE_TRAIN) == 2 &&
          count(d, CLADE_TEST) == 1);
    CHECK(d && clade_dataset_skipped(d) == 2 && skips(d, "a/1.jpg", "without a class in the list"));
    clade_dataset_destroy(&d);
    CHECK_FAILS(try_list("split", "file,label,split\na/0,x,train\nb/0,,val\n", NULL), CLADE_EFORMAT,
                "list.csv:3: the class is empty");

    /* a file's own row goes before that of another one of its name, farther down */
    static const char levels[] = "file,label\nx/0.jpg,dog\n0.jpg,cat\nz/1.jpg,dog\n1.jpg,cat\n";
    PUT("levels", "0.jpg", "1.jpg", "x/0.jpg", "z/1.jpg");
    d = load((clade_data_options){.path = path_of("levels"),
                                  .labels = put_file("levels.csv", levels, strlen(levels))});
    for (size_t i = 0; d && i < count(d, CLADE_TRAIN); i++)
        CHECK(clade_dataset_label(d, CLADE_TRAIN, i) ==
              !!strchr(clade_dataset_name(d, CLADE_TRAIN, i), '/'));
    CHECK(d && count(d, CLADE_TRAIN) == 4);
    clade_dataset_destroy(&d);

    CHECK_FAILS(try_list("listed", "", NULL), CLADE_EFORMAT, "an empty list");
    CHECK_FAILS(try_list("listed", "a,b,c\n1,2,3\n", NULL), CLADE_EINVAL, "3 columns: which are");
    CHECK_FAILS(try_list("listed", "a,b\n1,2\n", "a,c"), CLADE_EINVAL, "'a,c': expected the names");
    CHECK_FAILS(try_list("listed", "a,b\n1,2\n", "a"), CLADE_EINVAL, "expected the names of two");
    CHECK_FAILS(try_list("listed", "file,label\n0,cat\n1\n", NULL), CLADE_EFORMAT,
                "list.csv:3: 1 fields, expected 2");
    CHECK_FAILS(try_list("listed", "file,label\n0,cat\n1,\n", NULL), CLADE_EFORMAT,
                "list.csv:3: the class is empty");
    CHECK_FAILS(try_list("listed", "file,label\n0,cat\n0,dog\n", NULL), CLADE_EFORMAT,
                "list.csv:3: '0' is 'dog', but 'cat' in");
    CHECK_FAILS(try_list("listed", "{\"0\": \"cat\", \"0\": \"dog\"}", NULL), CLADE_EFORMAT,
                "list.csv, entry 2: '0' is 'dog', but 'cat' in");
    CHECK_FAILS(try_list("listed", "{\"0\": \"cat\",", NULL), CLADE_EFORMAT, "list.csv: ");
    CHECK_FAILS(try_list("listed", "[1, 2]", NULL), CLADE_EFORMAT, "expected objects with file");
    CHECK_FAILS(try_list("listed", "[{\"a\": 1, \"b\": 2, \"c\": 3}]", NULL), CLADE_EINVAL,
                "3 columns: which are");
    CHECK_FAILS(try_list("listed", "[{\"file\": 1, \"label\": 2}, 7]", NULL), CLADE_EFORMAT,
                "entry 2: expected an object");
    CHECK_FAILS(try_list("listed", "[{\"file\": 1, \"label\": 2}, {\"file\": 3}]", NULL),
                CLADE_EFORMAT, "entry 2: the class is empty");
    CHECK_FAILS(try_list("listed", "{\"0\": {\"cat\": 1}}", NULL), CLADE_EFORMAT,
                "entry 1: the class is empty");
    CHECK_FAILS(try_list("listed",
                         "{\"images\": [{\"id\": 1, \"file_name\": \"0\"}], \"categories\": [], "
                         "\"annotations\": [{\"image_id\": 1, \"category_id\": 5}]}",
                         NULL),
                CLADE_EFORMAT, "annotations 1: no category has its 'category_id'");
    CHECK_FAILS(try_list("listed", "file,label\n\"0,cat\n", NULL), CLADE_EFORMAT,
                "list.csv:2: a quote that does not end");
    CHECK_FAILS(try_list("listed",
                         "\xff\xfe"
                         "f,l\n",
                         NULL),
                CLADE_EFORMAT, "list.csv: UTF-16: expected UTF-8");
    CHECK_FAILS(try_list("listed", "file,label\n\"0\"x,cat\n", NULL), CLADE_EFORMAT,
                "after a quoted");
    CHECK_FAILS(try_list("listed", "file,label,split\n0,cat,train\n1,dog,odd\n", NULL),
                CLADE_EFORMAT, "list.csv:3: split 'odd'");
    CHECK_FAILS(try_list("listed", "file,label\n8,cat\n", NULL), CLADE_EINVAL,
                "none of the images");
    CHECK_FAILS(clade_dataset_open(&(clade_data_options){.path = path_of("listed"),
                                                         .labels = "/no/such",
                                                         .label_pattern = "(a)"},
                                   &d),
                CLADE_EINVAL, "expected only one");
    CHECK_FAILS(clade_dataset_open(
                    &(clade_data_options){.path = path_of("listed"), .labels = "/no/such"}, &d),
                CLADE_EIO, "/no/such");
}

/* Kaggle's: a test split of which nothing is said, and the list among the images. */
static void test_unlabelled(void)
{
    static const char list[] = "id,breed\nx0,cat\nx1,dog\n";
    PUT("kaggle", "train/x0.jpg", "train/x1.jpg", "test/x2.jpg");
    put_file("kaggle/submission.csv", "id\n", 3);
    const char *labels = put_file("kaggle/labels-of-all.csv", list, strlen(list));
    char said[512];
    snprintf(said, sizeof said, "(--labels %s, if that list", labels);
    CHECK_FAILS(try_open(path_of("kaggle")), CLADE_EINVAL, said);
    clade_dataset *d = load((clade_data_options){
        .path = path_of("kaggle"), .labels = labels, .label_columns = "id,breed"});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && count(d, CLADE_TEST) == 0);
    CHECK(d && clade_dataset_skipped(d) == 2 && skips(d, "test/x2.jpg", "not in the list"));
    clade_dataset_destroy(&d);
    d = load((clade_data_options){.path = path_of("kaggle"), .label_pattern = "train/(x.)"});
    CHECK(d && count(d, CLADE_TRAIN) == 2 && skips(d, "test/x2.jpg", "finds no class"));
    clade_dataset_destroy(&d);
    /* a validation split is another matter, and so is a test split alone */
    PUT("kaggle", "val/x3.jpg");
    CHECK_FAILS(try_list("kaggle", list, "id,breed"), CLADE_EINVAL,
                "val/: the list of labels contains");
    CHECK_FAILS(try_list("kaggle/test", list, "id,breed"), CLADE_EINVAL, "none of the images");
    PUT("parts", "images_part_1/x0.jpg", "images_part_2/x1.jpg");
    CHECK_FAILS(try_open(path_of("parts")), CLADE_EINVAL, "look like parts of one set");
    d = load((clade_data_options){
        .path = path_of("parts"), .labels = labels, .label_columns = "id,breed"});
    CHECK(d && count(d, CLADE_TRAIN) == 2);
    clade_dataset_destroy(&d);
    PUT("parts", "other/x2.jpg"); /* not all */
    expect("parts", 3, 3, 0, 0);
    PUT("counterpart", "counterpart/0.jpg", "part/0.jpg", "party1/0.jpg");
    expect("counterpart", 3, 3, 0, 0);
    PUT("apart", "train/a/0.jpg", "train/b/0.jpg", "val/images/0.jpg");
    CHECK_FAILS(try_open(path_of("apart")), CLADE_EINVAL, "('a' is not 'images'); --data ");
    CHECK(strstr(clade_error(), "/apart/train/ on its own"));
    PUT("flat-list", "images/x0.jpg", "images/x1.jpg");
    put_file("flat-list/all.JSON", "{}", 2);
    CHECK_FAILS(try_open(path_of("flat-list")), CLADE_EINVAL, "all.JSON, if that list contains");
}

/* What is often found where images should be is called by its name. */
static void test_others(void)
{
    put_file("packed/list.csv", "a", 1);
    put_file("packed/train.zip", "PK\3\4", 4);
    put_file("packed/zzz.csv", "a", 1);
    CHECK_FAILS(try_open(path_of("packed")), CLADE_EINVAL, "train.zip: an archive: unpack it");
    PUT("others", "a/0.jpg", "b/0.jpg");
    put_file("others/a/1.jpg", "<!DOCTYPE html><html>404", 24);
    put_file("others/b/1.jpg", "version https://git-lfs.github.com/spec/v1\n", 43);
    put_file("others/list.csv", "a", 1);
    put_file("others/b/2.jpg", "Rar!\x1a\7", 6);
    clade_dataset *d = load((clade_data_options){.path = path_of("others")});
    CHECK(d && skips(d, "list.csv", "; pass a list of labels with --labels"));
    CHECK(d && skips(d, "a/1.jpg", "a web page") && skips(d, "b/1.jpg", "git lfs pull") &&
          skips(d, "b/2.jpg", "an archive"));
    clade_dataset_destroy(&d);
}

/* Damage that leaves a class without images, or a set, is named. */
static void test_reasons(void)
{
    PUT("spoilt", "cats/0.jpg");
    put_file("spoilt/dogs/0.jpg", "text", 4);
    put_file("spoilt/dogs/1.jpg", "text", 4);
    CHECK_FAILS(try_open(path_of("spoilt")), CLADE_EINVAL, "class 'dogs' has no images in the");
    CHECK(strstr(clade_error(), "; dogs/0.jpg: not an image") &&
          strstr(clade_error(), "and 1 more"));
    put_file("nothing/dogs/0.jpg", "text", 4);
    CHECK_FAILS(try_open(path_of("nothing")), CLADE_EINVAL, "contains no images");
    CHECK(strstr(clade_error(), "dogs/0.jpg: not an image"));
}

int main(void)
{
    make_folder();
    test_splits();
    test_classes();
    test_unsure();
    test_lacking();
    test_given_classes();
    test_patterns();
    test_lists();
    test_unlabelled();
    test_others();
    test_reasons();
    drop_folder();
    return TEST_END();
}
