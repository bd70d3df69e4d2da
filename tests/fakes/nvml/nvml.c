/* A fake libnvidia-ml.so.1, for nvidia-ctk to look through at GPUs that are not there.

It follows NVML's published header (go-nvml's gen/nvml/nvml.h), against which it is compiled: a wrong signature does not build. What it knows, it reads
where NVIDIA's kernel driver publishes the same: /proc/driver/nvidia/version, gpus/<slot>/information, and capabilities/gpu<minor>/mig/gi<n>/ci<n>/access
for partitions. Without a kernel driver, or with one of another version than its own (VERSION), it refuses as the real one does.

Left out: all that nvidia-ctk does not ask for `cdi generate`, such as clocks, memory in use and processes. Every partition is of one profile, 1g.18gb of
an H200. A call of what is left out ends the caller with "undefined symbol".
*/

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include "nvml.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC "/proc/driver/nvidia"
#define MOST_GPUS 16
#define MOST_INSTANCES 7
#define TOTAL_MB 143771
#define INSTANCE_MB 16384
/* 1g is the first profile of the header's list, and the published id of 1g.18gb is 19. */
#define PROFILE_ID 19

struct nvmlDevice_st {
    char slot[64], name[96], uuid[96];
    unsigned int index, minor, mig, count, gi, ci;
    struct nvmlDevice_st *parent;
    struct nvmlDevice_st *instances[MOST_INSTANCES];
};
struct nvmlGpuInstance_st { struct nvmlDevice_st *device; };
struct nvmlComputeInstance_st { struct nvmlDevice_st *device; };

static struct nvmlDevice_st gpus[MOST_GPUS];
static unsigned int count, users;

static int by_slot(const void *one, const void *other)
{
    return strcmp(((const struct nvmlDevice_st *)one)->slot, ((const struct nvmlDevice_st *)other)->slot);
}

static void value(const char *line, const char *key, char *into, size_t size)
{
    if (strncmp(line, key, strlen(key)))
        return;
    line += strlen(key);
    line += strspn(line, " \t");
    snprintf(into, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static void read_instances(struct nvmlDevice_st *gpu)
{
    char path[256];
    snprintf(path, sizeof path, PROC "/capabilities/gpu%u/mig", gpu->minor);
    gpu->mig = !access(path, F_OK);
    for (unsigned int gi = 0; gi < 15; gi++)
        for (unsigned int ci = 0; ci < 7; ci++) {
            snprintf(path, sizeof path, PROC "/capabilities/gpu%u/mig/gi%u/ci%u/access", gpu->minor, gi, ci);
            if (access(path, F_OK) || gpu->count == MOST_INSTANCES)
                continue;
            struct nvmlDevice_st *made = calloc(1, sizeof *made);
            made->parent = gpu, made->gi = gi, made->ci = ci, made->index = gpu->count;
            snprintf(made->name, sizeof made->name, "%.64s MIG 1g.18gb", gpu->name);
            snprintf(made->uuid, sizeof made->uuid, "MIG-%08x-%04x-5000-8000-000000000000", gpu->minor, gi * 16 + ci);
            gpu->instances[gpu->count++] = made;
        }
}

static void read_gpus(void)
{
    DIR *directory = opendir(PROC "/gpus");
    struct dirent *entry;
    count = 0;
    memset(gpus, 0, sizeof gpus);
    while (directory && (entry = readdir(directory)) && count < MOST_GPUS) {
        char path[512], line[256], minor[16] = "0";
        snprintf(path, sizeof path, PROC "/gpus/%s/information", entry->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        struct nvmlDevice_st *gpu = &gpus[count++];
        snprintf(gpu->slot, sizeof gpu->slot, "%.63s", entry->d_name);
        while (fgets(line, sizeof line, file)) {
            value(line, "Model:", gpu->name, sizeof gpu->name);
            value(line, "GPU UUID:", gpu->uuid, sizeof gpu->uuid);
            value(line, "Device Minor:", minor, sizeof minor);
        }
        fclose(file);
        gpu->minor = strtoul(minor, NULL, 10);
    }
    if (directory)
        closedir(directory);
    qsort(gpus, count, sizeof gpus[0], by_slot);
    for (unsigned int index = 0; index < count; index++) {
        gpus[index].index = index;
        read_instances(&gpus[index]);
    }
}

static nvmlReturn_t text(const char *from, char *into, unsigned int length)
{
    if (!into)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(from) >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(into, from);
    return NVML_SUCCESS;
}

static nvmlReturn_t number(unsigned int from, unsigned int *into)
{
    if (!into)
        return NVML_ERROR_INVALID_ARGUMENT;
    *into = from;
    return NVML_SUCCESS;
}

#define INITIALIZED if (!users) return NVML_ERROR_UNINITIALIZED
#define DEVICE(wanted) INITIALIZED; if (!device || !(wanted)) return NVML_ERROR_INVALID_ARGUMENT

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    char line[256] = "";
    FILE *file = fopen(PROC "/version", "r");
    (void)flags;
    if (!file)
        return NVML_ERROR_DRIVER_NOT_LOADED;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);
    if (!strstr(line, "  " VERSION "  "))
        return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    if (!users++)
        read_gpus();
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

nvmlReturn_t nvmlShutdown(void)
{
    INITIALIZED;
    users--;
    return NVML_SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t result)
{
    switch (result) {
    case NVML_SUCCESS: return "Success";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) { INITIALIZED; return text(VERSION, version, length); }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount) { INITIALIZED; return number(count, deviceCount); }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    INITIALIZED;
    if (!device || index >= count)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = &gpus[index];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    INITIALIZED;
    if (!uuid || !device)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int index = 0; index < count; index++) {
        *device = &gpus[index];
        if (!strcmp(uuid, gpus[index].uuid))
            return NVML_SUCCESS;
        for (unsigned int part = 0; part < gpus[index].count; part++) {
            *device = gpus[index].instances[part];
            if (!strcmp(uuid, (*device)->uuid))
                return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) { DEVICE(1); return text(device->name, name, length); }

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) { DEVICE(1); return text(device->uuid, uuid, length); }

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index) { DEVICE(1); return number(device->index, index); }

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minorNumber) { DEVICE(!device->parent); return number(device->minor, minorNumber); }

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    unsigned int function;
    DEVICE(pci);
    memset(pci, 0, sizeof *pci);
    const char *slot = device->parent ? device->parent->slot : device->slot;
    if (sscanf(slot, "%x:%x:%x.%x", &pci->domain, &pci->bus, &pci->device, &function) != 4)
        return NVML_ERROR_UNKNOWN;
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus & 0xff, pci->device & 0x1f);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xffff, pci->bus & 0xff, pci->device & 0x1f);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    DEVICE(memory);
    memory->total = (unsigned long long)(device->parent ? INSTANCE_MB : TOTAL_MB) << 20;
    memory->free = memory->total;
    memory->used = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *currentMode, unsigned int *pendingMode)
{
    DEVICE(currentMode && pendingMode);
    *currentMode = *pendingMode = device->mig ? NVML_DEVICE_MIG_ENABLE : NVML_DEVICE_MIG_DISABLE;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *isMigDevice) { DEVICE(1); return number(device->parent != NULL, isMigDevice); }

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *most) { DEVICE(1); return number(MOST_INSTANCES, most); }

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *migDevice)
{
    DEVICE(migDevice);
    if (index >= device->count)
        return NVML_ERROR_NOT_FOUND;
    *migDevice = device->instances[index];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t migDevice, nvmlDevice_t *device)
{
    INITIALIZED;
    if (!migDevice || !migDevice->parent || !device)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = migDevice->parent;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id) { DEVICE(device->parent); return number(device->gi, id); }

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id) { DEVICE(device->parent); return number(device->ci, id); }

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    DEVICE(device->parent && attributes);
    memset(attributes, 0, sizeof *attributes);
    attributes->gpuInstanceSliceCount = attributes->computeInstanceSliceCount = 1;
    attributes->memorySizeMB = INSTANCE_MB;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int profile, nvmlGpuInstanceProfileInfo_t *info)
{
    DEVICE(info);
    if (profile != NVML_GPU_INSTANCE_PROFILE_1_SLICE)
        return NVML_ERROR_NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    info->id = PROFILE_ID, info->sliceCount = 1, info->instanceCount = MOST_INSTANCES, info->memorySizeMB = INSTANCE_MB;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *gpuInstance)
{
    DEVICE(gpuInstance);
    for (unsigned int index = 0; index < device->count; index++)
        if (device->instances[index]->gi == id) {
            *gpuInstance = malloc(sizeof **gpuInstance);
            (*gpuInstance)->device = device->instances[index];
            return NVML_SUCCESS;
        }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t gpuInstance, nvmlGpuInstanceInfo_t *info)
{
    INITIALIZED;
    if (!gpuInstance || !info)
        return NVML_ERROR_INVALID_ARGUMENT;
    memset(info, 0, sizeof *info);
    info->device = gpuInstance->device->parent, info->id = gpuInstance->device->gi, info->profileId = PROFILE_ID;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t gpuInstance, unsigned int id, nvmlComputeInstance_t *computeInstance)
{
    INITIALIZED;
    if (!gpuInstance || !computeInstance)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (gpuInstance->device->ci != id)
        return NVML_ERROR_NOT_FOUND;
    *computeInstance = malloc(sizeof **computeInstance);
    (*computeInstance)->device = gpuInstance->device;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(
    nvmlGpuInstance_t gpuInstance, unsigned int profile, unsigned int engProfile, nvmlComputeInstanceProfileInfo_t *info)
{
    INITIALIZED;
    if (!gpuInstance || !info)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (profile != NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE || engProfile != NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED)
        return NVML_ERROR_NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    info->id = 0, info->sliceCount = 1, info->instanceCount = 1;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t computeInstance, nvmlComputeInstanceInfo_t *info)
{
    INITIALIZED;
    if (!computeInstance || !info)
        return NVML_ERROR_INVALID_ARGUMENT;
    memset(info, 0, sizeof *info);
    info->device = computeInstance->device->parent, info->id = computeInstance->device->ci, info->profileId = 0;
    return NVML_SUCCESS;
}
