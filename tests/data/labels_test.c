/* Lists that say several labels of an image. */
#include "make.h"
#include "sets.h"

#include <stdlib.h>

/* Four images and what the lists below say of them: cat and dog, dog, nothing, a class whose name
 * has a space. */
static const char *const names[] = {"labelled/0.jpg", "labelled/1.jpg", "labelled/2.jpg",
                                    "labelled/3.jpg"};
static const uint8_t shown[][3] = {{1, 1, 0}, {0, 1, 0}, {0, 0, 0}, {1, 0, 1}};

static clade_data_options by_list(const char *list, const char *columns)
{
    return (clade_data_options){.path = path_of("labelled"),
                                .labels = put_file("list.csv", list, strlen(list)),
                                .label_columns = columns,
                                .task = CLADE_TASK_MULTI_LABEL};
}

static void expect(const char *list, const char *columns, const char *third)
{
    clade_dataset *d = load(by_list(list, columns));
    uint8_t row[3];
    CHECK(d && clade_dataset_classes(d) == 3 && count(d, CLADE_TRAIN) == 4);
    if (d && clade_dataset_classes(d) == 3 && count(d, CLADE_TRAIN) == 4) {
        CHECK(clade_dataset_task(d) == CLADE_TASK_MULTI_LABEL);
        CHECK(!strcmp(clade_dataset_class_name(d, 2), third));
        CHECK(clade_dataset_class_count(d, CLADE_TRAIN, 0) == 2);
        CHECK(clade_dataset_class_count(d, CLADE_TRAIN, 2) == 1);
        CHECK(clade_dataset_skipped(d) == 0);
        for (size_t i = 0; i < 4; i++) {
            clade_dataset_label_row(d, CLADE_TRAIN, i, row);
            CHECK(!memcmp(row, shown[i], sizeof row));
            CHECK(clade_dataset_label(d, CLADE_TRAIN, i) == 0);
        }
    }
    clade_dataset_destroy(&d);
}

static void test_lists(void)
{
    /* separators: the first of | ; , that any field has, else white space */
    expect("file,labels\n0.jpg,cat|dog\n1.jpg,dog\n2.jpg,\n3.jpg,wild boar | cat\n", NULL,
           "wild boar");
    expect("file\ttags\n3\tcat;wild boar\n0\tdog;cat;dog\n1\tdog\n2\t\n", NULL, "wild boar");
    expect("image,labels\n0,\"cat, dog\"\n1,dog\n2,\n3,\"wild boar,cat\"\n", NULL, "wild boar");
    expect("image,labels\n0,cat dog\n1, dog \n2,\n3,wild  cat\n", NULL, "wild");
    expect("Image Index,Finding Labels,age\n0,cat|dog,4\n1,dog,5\n2,,6\n3,cat|wild boar,7\n",
           "Image Index,Finding Labels", "wild boar");
    /* a row for each label, and in any order */
    expect("file,label\n1,dog\n0,dog\n3,wild\n2,\n0,cat\n3,cat\n0,dog\n", NULL, "wild");
    /* a column for each class */
    expect("image_id,dog,wild boar,cat\n0,1,0,1\n1,1.0,-1,0\n2,0,0,-1\n3,0,1,1\n", NULL,
           "wild boar");
    /* JSON: arrays, as fields and as values, COCO */
    expect("[{\"file\": \"0.jpg\", \"labels\": [\"cat\", \"dog\"]}, {\"file\": \"1\", \"labels\": "
           "\"dog\"}, {\"file\": \"2\", \"labels\": []}, {\"file\": \"3\", \"labels\": [\"cat\", "
           "\"wild boar\"]}]",
           NULL, "wild boar");
    expect("{\"0.jpg\": [\"cat\", \"dog\"], \"1.jpg\": [\"dog\"], \"2.jpg\": [], \"3.jpg\": "
           "[\"wild boar|pig\", \"cat\"]}",
           NULL, "wild boar|pig");
    expect("{\"images\": [{\"id\": 1, \"file_name\": \"0.jpg\"}, {\"id\": 2, \"file_name\": "
           "\"1.jpg\"}, {\"id\": 3, \"file_name\": \"2.jpg\"}, {\"id\": 4, \"file_name\": "
           "\"3.jpg\"}], \"categories\": [{\"id\": 7, \"name\": \"dog\"}, {\"id\": 8, \"name\": "
           "\"cat\"}, {\"id\": 9, \"name\": \"wild boar\"}], \"annotations\": [{\"image_id\": 1, "
           "\"category_id\": 7}, {\"image_id\": 4, \"category_id\": 9}, {\"image_id\": 1, "
           "\"category_id\": 8}, {\"image_id\": 2, \"category_id\": 7}, {\"image_id\": 4, "
           "\"category_id\": 8}, {\"image_id\": 1, \"category_id\": 7}]}",
           NULL, "wild boar");
}

/* Splits by the list and by fraction, in which a class may be absent from validation. */
static void test_splits(void)
{
    clade_dataset *d = load(by_list("file,labels,split\n0,cat|dog,train\n3,cat,train\n1,dog,val\n"
                                    "2,,val\n",
                                    NULL));
    CHECK(d && count(d, CLADE_TRAIN) == 2 && count(d, CLADE_VALIDATION) == 2);
    CHECK(d && clade_dataset_class_count(d, CLADE_VALIDATION, 0) == 0);
    clade_dataset_destroy(&d);
    clade_data_options o = by_list("file,labels\n0,cat|dog\n1,dog\n2,\n3,cat\n", NULL);
    o.validation_split = 0.5;
    d = load(o);
    CHECK(d && count(d, CLADE_TRAIN) == 2 && count(d, CLADE_VALIDATION) == 2);
    clade_dataset_destroy(&d);
}

/* A column of weights, of lists of one label, too. */
static void test_weights(void)
{
    static const char marked[] =
        "sample_weight,image_id,dog,cat\n2,0,1,1\n0,1,1,0\n.5,2,0,0\n1,3,0,1\n";
    static const char *const lists[] = {
        "file,labels,weight\n0,cat|dog,2\n1,dog,0\n2,,.5\n3,cat,1\n", marked,
        "file,label,weight\n1,cat,0\n3,dog,1\n2,cat,.5\n0,cat,2\n"};
    static const float weights[] = {2, 0, .5f, 1};
    for (int k = 0; k < 3; k++) {
        clade_data_options o = by_list(lists[k], NULL);
        if (k == 2) o.task = CLADE_TASK_CLASS;
        clade_dataset *d = load(o);
        CHECK(d && count(d, CLADE_TRAIN) == 4);
        for (size_t i = 0; d && i < count(d, CLADE_TRAIN); i++) /* in the order of names */
            CHECK(clade_dataset_weight(d, CLADE_TRAIN, i) == weights[i]);
        clade_dataset_destroy(&d);
    }
    clade_dataset *d = load(by_list("file,labels\n0,cat\n1,dog\n2,\n3,cat\n", NULL));
    CHECK(d && clade_dataset_weight(d, CLADE_TRAIN, 2) == 1);
    clade_dataset_destroy(&d);
}

static clade_data_options by_numbers(const char *list, const char *columns)
{
    clade_data_options options = by_list(list, columns);
    options.task = CLADE_TASK_REGRESSION;
    return options;
}

/* Columns of numbers, with or without names, and what else a list says. */
static void test_numbers(void)
{
    static const struct {
        const char *list, *columns, *names[2];
        float rows[4][2];
    } cases[] = {
        {"file,target\n0,1.5\n1,-2\n2,3e2\n3,0\n", NULL, {"target"}, {{1.5f}, {-2}, {300}, {0}}},
        {"3.jpg 4\n0.jpg 1\n1.jpg 2\n2.jpg 3\n", NULL, {"target"}, {{1}, {2}, {3}, {4}}},
        {"age\tweight\timage\tsize\n1\t2\t0\t9\n2\t0\t1\t8\n3\t1\t2\t7\n4\t1\t3\t6\n",
         NULL,
         {"age", "size"},
         {{1, 9}, {2, 8}, {3, 7}, {4, 6}}},
        {"id,note,x,y,z\n0,a,1,2,3\n1,b,4,5,6\n2,c,7,8,9\n3,d,0,0,0\n3,e,0,0,0\n",
         "id,z,y",
         {"y", "z"},
         {{2, 3}, {5, 6}, {8, 9}, {0, 0}}},
        {"{\"0\": 1, \"1\": 2.5, \"2\": -3, \"3\": 0}", NULL, {"label"}, {{1}, {2.5f}, {-3}, {0}}},
        {"[{\"file\": \"0\", \"x\": 1, \"y\": 2}, {\"file\": \"1\", \"x\": 3, \"y\": 4}, "
         "{\"file\": "
         "\"2\", \"y\": 6, \"x\": 5}, {\"file\": \"3\", \"x\": 7, \"y\": 8}]",
         NULL,
         {"x", "y"},
         {{1, 2}, {3, 4}, {5, 6}, {7, 8}}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const size_t targets = cases[k].names[1] ? 2 : 1;
        clade_dataset *d = load(by_numbers(cases[k].list, cases[k].columns));
        CHECK(d && clade_dataset_classes(d) == targets && count(d, CLADE_TRAIN) == 4);
        for (size_t i = 0; d && i < 4 && clade_dataset_classes(d) == targets; i++) {
            float row[2];
            clade_dataset_target_row(d, CLADE_TRAIN, i, row);
            for (size_t t = 0; t < targets; t++) {
                CHECK(!strcmp(clade_dataset_class_name(d, t), cases[k].names[t]));
                CHECK(row[t] == cases[k].rows[i][t]);
            }
            CHECK(clade_dataset_weight(d, CLADE_TRAIN, i) ==
                  (k == 2 && i < 2 ? 2 - 2 * (float)i : 1));
        }
        clade_dataset_destroy(&d);
    }
    /* by the names of a classifier's targets, in its order; one alone has any name */
    static const char *const known[] = {"z", "x"}, *const one[] = {"age"};
    clade_data_options o =
        by_numbers("file,id,height,weight\n0,7,1,2\n1,9,2,3\n2,8,1,1\n3,6,4,2\n", NULL);
    clade_dataset *d = load(o);
    CHECK(d && clade_dataset_classes(d) == 1 && clade_dataset_skipped(d) == 1);
    CHECK(d && clade_dataset_skipped(d) &&
          strstr(clade_dataset_skipped_name(d, 0), "list.csv: column 'weight'"));
    clade_dataset_destroy(&d);
    o = by_numbers("file,id,height,weight\n0,7,1,2\n1,9,2,3\n2,8,1,1\n3,6,4,2\n",
                   "file,height,weight");
    d = load(o);
    CHECK(d && clade_dataset_classes(d) == 2 && clade_dataset_skipped(d) == 0);
    CHECK(d && clade_dataset_weight(d, CLADE_TRAIN, 0) == 1);
    clade_dataset_destroy(&d);
    o = by_numbers("file,x,y,z\n0,1,2,3\n1,4,5,6\n", NULL);
    float row[2];
    o.classes = known;
    o.class_count = 2;
    d = load(o);
    if (d) clade_dataset_target_row(d, CLADE_TRAIN, 1, row);
    CHECK(d && clade_dataset_classes(d) == 2 && row[0] == 6 && row[1] == 4);
    clade_dataset_destroy(&d);
    o = by_numbers("file,years\n0,1\n1,4\n", NULL);
    o.classes = one;
    o.class_count = 1;
    d = load(o);
    if (d) clade_dataset_target_row(d, CLADE_TRAIN, 1, row);
    CHECK(d && !strcmp(clade_dataset_class_name(d, 0), "age") && row[0] == 4);
    clade_dataset_destroy(&d);
}

/* Labels of an order by their numbers; a column of 0 and 1 that no image has. */
static void test_classes(void)
{
    clade_data_options o = by_list("file,label\n0,10\n1,9\n2,-1\n3,9\n", NULL);
    o.task = CLADE_TASK_ORDINAL;
    clade_dataset *d = load(o);
    CHECK(d && !strcmp(clade_dataset_class_name(d, 0), "-1"));
    CHECK(d && !strcmp(clade_dataset_class_name(d, 2), "10"));
    CHECK(d && clade_dataset_class_count(d, CLADE_TRAIN, 1) == 2);
    clade_dataset_destroy(&d);
    o.labels = by_list("file,label\n0,low\n1,high\n2,high\n3,9\n", NULL).labels;
    d = load(o);
    CHECK(d && !strcmp(clade_dataset_class_name(d, 1), "high"));
    clade_dataset_destroy(&d);
    d = load(by_list("image_id,dog,cow,cat\n0,1,0,0\n1,0,0,1\n2,1,0,1\n3,0,0,0\n", NULL));
    CHECK(d && clade_dataset_classes(d) == 2 && clade_dataset_skipped(d) == 1);
    CHECK(d && strstr(clade_dataset_skipped_name(d, 0), "list.csv: column 'cow'"));
    clade_dataset_destroy(&d);
}

static clade_status try_list(const char *list)
{
    clade_dataset *d = NULL;
    clade_data_options options = by_list(list, NULL);
    clade_status status = clade_dataset_open(&options, &d);
    clade_dataset_destroy(&d);
    return status;
}

static void test_refusals(void)
{
    CHECK_FAILS(try_list("image_id,dog,cat\n0,1,0\n1,2,0\n"), CLADE_EFORMAT,
                "list.csv:3: '2' of class 'dog': expected 0 or 1");
    CHECK_FAILS(try_list("file,labels,weight\n0,cat,1\n1,dog,-1\n"), CLADE_EFORMAT,
                "list.csv:3: weight '-1': expected a number, 0 or more");
    CHECK_FAILS(try_list("a,b,c\n0,1,0\n"), CLADE_EINVAL, "3 columns: which are files");
    CHECK_FAILS(try_list("file,label,split\n0,cat,train\n0,dog,val\n"), CLADE_EFORMAT,
                "'0' is in 'val', but in 'train'");
    CHECK_FAILS(try_list("file,label,weight\n0,cat,1\n1,dog,1\n0,dog,5\n"), CLADE_EFORMAT,
                "list.csv:4: '0' weighs 5, but 1 in");
    CHECK_FAILS(try_list("{\"0\": [\"cat\", [\"dog\"]], \"1\": [\"dog\"]}"), CLADE_EFORMAT,
                "entry 1: expected labels that are texts or numbers");
    CHECK_FAILS(try_list("file,labels\n0,cat\n1,cat\n"), CLADE_EINVAL, "only one class, 'cat'");
    clade_dataset *d = NULL;
    static const struct {
        const char *list, *columns, *text;
        clade_status status;
    } numbers[] = {
        {"file,age\n0,1\n1,\n", NULL, "list.csv:3: '' in 'age': expected a number", CLADE_EFORMAT},
        {"file,age\n0,1\n1,nan\n", NULL, "'nan' in 'age': expected a number", CLADE_EFORMAT},
        {"file,age\n0,1\n1,0x10\n", NULL, "'0x10' in 'age': expected a number", CLADE_EFORMAT},
        {"file,age\n0,1\n1,1e39\n", NULL, "'1e39' in 'age': expected a number up to 3.4e38",
         CLADE_EFORMAT},
        {"file,age\n0,1\n1,-1e400\n", NULL, "expected a number up to 3.4e38", CLADE_EFORMAT},
        {"{\"0\": 1, \"1\": null}", NULL, "'null' in 'label': expected", CLADE_EFORMAT},
        {"[{\"file\": \"0\", \"x\": true}]", NULL, "'true' in 'x': expected", CLADE_EFORMAT},
        {"[{\"file\": \"0\", \"x\": [1]}]", NULL, "'[…]' in 'x': expected", CLADE_EFORMAT},
        {"[{\"file\": \"0\", \"x\": {}}]", NULL, "'{…}' in 'x': expected", CLADE_EFORMAT},
        {"file,age\n", NULL, "list.csv: the list of labels has no images", CLADE_EFORMAT},
        {"file,age\n0,100000000\n1,100000001\n2,100000002\n", NULL,
         "list.csv: the numbers in 'age' deviate by 0.816 from their mean 100000001, and float32 "
         "rounds them by 2; expected",
         CLADE_EINVAL},
        {"file,age\n0,1\n0,2\n", NULL, "list.csv:3: '0' has other numbers than in", CLADE_EFORMAT},
        {"file,age\n0,1\n1,2\n", "file,size", "expected the names of", CLADE_EINVAL},
        {"file,x,x\n0,1,1\n1,2,2\n", NULL, "two columns of numbers have the same name",
         CLADE_EINVAL},
        {"file,split,weight\n0,train,1\n", NULL, "expected a column of numbers", CLADE_EINVAL},
    };
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        const clade_data_options o = by_numbers(numbers[k].list, numbers[k].columns);
        CHECK_FAILS(clade_dataset_open(&o, &d), numbers[k].status, numbers[k].text);
    }
    clade_data_options bare = {.path = path_of("labelled"), .task = CLADE_TASK_REGRESSION};
    CHECK_FAILS(clade_dataset_open(&bare, &d), CLADE_EINVAL, "expected labels: FILE");
    clade_data_options few = by_list("file,labels\n0,cat\n1,dog\n", NULL);
    few.validation_split = 0.9;
    CHECK_FAILS(clade_dataset_open(&few, &d), CLADE_EINVAL, "the data has 2 images: 2 for");
    few.folds = 3;
    few.fold = 1;
    CHECK_FAILS(clade_dataset_open(&few, &d), CLADE_EINVAL, "the data has 2 images, expected one");
    clade_data_options options = {.path = path_of("labelled"), .task = CLADE_TASK_MULTI_LABEL};
    CHECK_FAILS(clade_dataset_open(&options, &d), CLADE_EINVAL, "expected labels: FILE");
    options.task = (clade_task)7;
    CHECK_FAILS(clade_dataset_open(&options, &d), CLADE_EINVAL, "there is no task 7");
}

/* The same images with other labels are other data. A batch says where its labels are found. */
static void test_loader(void)
{
    clade_dataset *d = load(by_list("file,labels\n0,cat|dog\n1,dog\n2,\n3,cat\n", NULL));
    clade_loader *loader = NULL;
    clade_batch batch = {0};
    CHECK_OK(clade_loader_create(
        &(clade_loader_options){
            .dataset = d, .split = CLADE_TRAIN, .batch = 4, .shuffle = true, .seed = 3},
        &loader));
    CHECK_OK(clade_loader_start(loader, 0, 0));
    CHECK_OK(clade_loader_next(loader, &batch));
    CHECK(batch.count == 4);
    for (int32_t i = 0; i < batch.count; i++) CHECK(batch.label[i] == batch.index[i]);
    clade_loader_destroy(&loader);
    clade_dataset_destroy(&d);
}

int main(void)
{
    make_folder();
    for (int i = 0; i < 4; i++) put_jpeg(names[i], 9, 9, i);
    test_lists();
    test_splits();
    test_weights();
    test_numbers();
    test_classes();
    test_refusals();
    test_loader();
    drop_folder();
    return TEST_END();
}
