/* Telling a device's family. */
#include "opencl/family.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* NVIDIA's cl_nv_device_attribute_query */
enum { capability_major = 0x4000, capability_minor = 0x4001 };

enum { size = sizeof((clade_device_info *)NULL)->family };

static unsigned number(cl_device_id device, cl_device_info what)
{
    return (unsigned)clade_opencl_device_number(device, what);
}

/* Letters and digits in lower case, one hyphen for each run of others between them. */
static void join_words(const char *text, char *out)
{
    size_t n = 0;
    for (; *text && n + 2 < size; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c < 128 && isalnum(c)) {
            out[n++] = (char)tolower(c);
        } else if (n && out[n - 1] != '-') {
            out[n++] = '-';
        }
    }
    out[n && out[n - 1] == '-' ? n - 1 : n] = 0;
}

void clade_opencl_family(cl_platform_id platform, cl_device_id device, char family[size])
{
    char vendor[256] = "", name[256] = "", driver[256] = "";
    clade_icd.clGetDeviceInfo(device, CL_DEVICE_VENDOR, sizeof vendor - 1, vendor, NULL);
    clade_icd.clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name - 1, name, NULL);
    clade_icd.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof driver - 1, driver, NULL);
    const bool nvidia = strstr(vendor, "NVIDIA") != NULL;
    const unsigned major = nvidia ? number(device, capability_major) : 0;
    if (major)
        snprintf(family, size, "nvidia-sm_%u%u", major, number(device, capability_minor));
    else if (!strncmp(name, "gfx", 3)) /* "gfx90a:sramecc+:xnack-" */
        snprintf(family, size, "amd-%.*s", (int)strspn(name, "gfx0123456789abcde"), name);
    else if (!strcmp(driver, "Portable Computing Language") &&
             number(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU)
        snprintf(family, size, "pocl-%u", number(device, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT));
    else
        join_words(name, family);
}
