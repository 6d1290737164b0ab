/* HDF5: arrays are datasets, "adam_m/model.norm" is the dataset model.norm in the group adam_m,
 * notes are text attributes of the root group. The only file that knows HDF5.
 *
 * Writing: the newest format of 1.10 (its metadata carries checksums), every dataset chunked with
 * fletcher32, no times, so the same arrays make the same bytes. libhdf5 builds the file in memory
 * and is done with it before sgn_writer puts it on disk: a full disk never reaches libhdf5.
 * Reading: through libhdf5's own file driver, chunk by chunk, so that loading needs no second
 * copy of a file, and a file that is shortened meanwhile is a read error. Accepted are hard links,
 * these types, data wholly in the file, no filter but fletcher32 and shuffle; even so, libhdf5 is
 * not proof against a hostile file.
 *
 * SPDX-License-Identifier: MIT */
#include <hdf5.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/archive.h"
#include "core/checked.h"
#include "core/file.h"

enum { CHUNK = 1 << 20, GROW = 16 << 20, MAX_ARRAYS = 100000, MAX_NOTE = 60000, MAX_NOTES = 4096, MAX_KEY = 256 };

typedef struct { char key[MAX_KEY]; char *text; } note_pair;

typedef struct {
    hid_t      file;           /* 0: not open */
    note_pair *notes;
    int        note_count;
    sgn_status status;         /* of the listing, for callbacks of libhdf5 */
    sgn_error *err;
} state;

#define REFUSE(...) SGN_FAIL(err, SGN_FORMAT, __VA_ARGS__)

/* --- libhdf5 itself --------------------------------------------------------------------------- */

/* libhdf5 need not be built for threads: one caller at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void enter(void) {
    pthread_mutex_lock(&lock);
    H5dont_atexit();                                /* its exit handler crashes after a failed write */
    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);          /* prints nothing */
    H5PLset_loading_state(0);                       /* no filter from outside */
}
static void leave(void) { pthread_mutex_unlock(&lock); }

static herr_t first_reason(unsigned n, const H5E_error2_t *e, void *out) {
    (void)n;
    *(const char **)out = e->desc;
    return 1;
}

static sgn_status fail_h5(sgn_status status, const char *path, const char *name, const char *what, sgn_error *err) {
    const char *why = NULL;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &why);
    SGN_FAIL(err, status, "%s: %s%scannot %s: %.200s", path, name, *name ? ": " : "", what, why ? why : "libhdf5 does not say why");
}

/* An own type: half and bfloat16 as HDF5 describes them, bool as h5py does. Close it. */
static hid_t type_open(sgn_dtype t) {
    static const hid_t *const plain[SGN_DTYPE_COUNT] = {
        [SGN_DTYPE_F64] = &H5T_IEEE_F64LE_g, [SGN_DTYPE_F32] = &H5T_IEEE_F32LE_g, [SGN_DTYPE_I64] = &H5T_STD_I64LE_g,
        [SGN_DTYPE_I32] = &H5T_STD_I32LE_g,  [SGN_DTYPE_I16] = &H5T_STD_I16LE_g,  [SGN_DTYPE_I8] = &H5T_STD_I8LE_g,
        [SGN_DTYPE_U16] = &H5T_STD_U16LE_g,  [SGN_DTYPE_U8] = &H5T_STD_U8LE_g };
    if (plain[t]) return H5Tcopy(*plain[t]);
    if (t == SGN_DTYPE_BOOL) {
        const hid_t type = H5Tenum_create(H5T_STD_I8LE);
        H5Tenum_insert(type, "FALSE", &(int8_t){ 0 });
        H5Tenum_insert(type, "TRUE", &(int8_t){ 1 });
        return type;
    }
    const size_t fraction = t == SGN_DTYPE_F16 ? 10 : 7, exponent = 15 - fraction;
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, fraction, exponent, 0, fraction);
    H5Tset_size(type, 2);
    H5Tset_ebias(type, (1u << (exponent - 1)) - 1);
    return type;
}

/* --- listing ---------------------------------------------------------------------------------- */

static bool find_type(hid_t file_type, sgn_dtype *out) {
    bool same = false;
    for (int t = 0; t < SGN_DTYPE_COUNT && !same; t++) {
        const hid_t type = type_open(*out = (sgn_dtype)t);
        same = H5Tequal(type, file_type) > 0;
        H5Tclose(type);
    }
    return same;
}

/* Bytes that the dataset takes in a file that holds all of it; false where a filter or layout is not accepted. */
static bool expected_storage(hid_t plist, const sgn_array *x, uint64_t *bytes) {
    const H5D_layout_t layout = H5Pget_layout(plist);
    bool sums = false;
    for (int i = 0, n = H5Pget_nfilters(plist); i < n; i++) {
        unsigned flags, info;
        size_t none = 0;
        const H5Z_filter_t f = H5Pget_filter2(plist, (unsigned)i, &flags, &none, NULL, 0, NULL, &info);
        if (f != H5Z_FILTER_FLETCHER32 && f != H5Z_FILTER_SHUFFLE) return false;
        sums |= f == H5Z_FILTER_FLETCHER32;
    }
    *bytes = x->bytes;
    if (layout == H5D_COMPACT) return true;
    if (layout == H5D_CONTIGUOUS) return H5Pget_external_count(plist) == 0;
    hsize_t chunk[SGN_ARRAY_RANK];
    if (layout != H5D_CHUNKED || H5Pget_chunk(plist, SGN_ARRAY_RANK, chunk) != x->rank) return false;
    uint64_t count = 1, size = sgn_dtype_bytes(x->dtype);
    for (int i = 0; i < x->rank; i++) {
        if (chunk[i] == 0 || !sgn_mul_fits(size, chunk[i], &size)) return false;
        const uint64_t dim = (uint64_t)x->dim[i];
        if (!sgn_mul_fits(count, dim / chunk[i] + (dim % chunk[i] != 0), &count)) return false;
    }
    return sgn_add_fits(size, sums ? 4 : 0, &size) && sgn_mul_fits(count, size, bytes);
}

static bool read_shape(hid_t dataset, sgn_array *x) {
    hsize_t dim[SGN_ARRAY_RANK];
    const hid_t space = H5Dget_space(dataset);
    const int rank = H5Sget_simple_extent_ndims(space);
    const bool sound = rank >= 0 && rank <= SGN_ARRAY_RANK && H5Sget_simple_extent_type(space) != H5S_NULL &&
                       H5Sget_simple_extent_dims(space, dim, NULL) == rank;
    H5Sclose(space);
    x->rank = sound ? rank : -1;
    for (int i = 0; i < x->rank; i++) x->dim[i] = (int64_t)dim[i];       /* past 2^63: negative, hence refused */
    return sgn_array_size(x, &x->bytes);
}

static sgn_status add_dataset(sgn_archive *a, hid_t dataset, const char *name, sgn_error *err) {
    if (a->count == MAX_ARRAYS) REFUSE("%s: more than %d datasets", a->path, MAX_ARRAYS);
    if (strlen(name) >= SGN_ARRAY_NAME) REFUSE("%s: %.80s...: a name of %zu bytes; at most %d are read", a->path, name, strlen(name), SGN_ARRAY_NAME - 1);
    if ((a->count & (a->count - 1)) == 0) {         /* 0 or a power of two: full */
        sgn_array *grown = realloc(a->at, (size_t)(2 * a->count + 1) * sizeof *grown);
        if (!grown) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for the list of its datasets", a->path);
        a->at = grown;
    }
    sgn_array *x = &a->at[a->count];
    *x = (sgn_array){ 0 };
    strcpy(x->name, name);
    const hid_t type = H5Dget_type(dataset), plist = H5Dget_create_plist(dataset);
    uint64_t want;
    const bool known = find_type(type, &x->dtype), shaped = known && read_shape(dataset, x);
    const bool plain = shaped && expected_storage(plist, x, &want);
    H5Tclose(type);
    H5Pclose(plist);
    if (!known) REFUSE("%s: %s: its type is none of the little-endian numbers that are read", a->path, name);
    if (!shaped) REFUSE("%s: %s: its shape has more than %d dimensions or passes 2^64 bytes", a->path, name, SGN_ARRAY_RANK);
    if (!plain) REFUSE("%s: %s: is virtual, kept in another file or filtered; rewrite it with h5repack -f NONE", a->path, name);
    const uint64_t have = H5Dget_storage_size(dataset);
    hsize_t size = 0;
    if (H5Fget_filesize(((const state *)a->state)->file, &size) < 0 || have != want || have > size)
        REFUSE("%s: %s: %" PRIu64 " bytes are stored, but its shape needs %" PRIu64, a->path, name, have, want);
    a->count++;
    return SGN_OK;
}

static sgn_status add_link(sgn_archive *a, hid_t group, const char *name, H5L_type_t link, sgn_error *err) {
    if (link != H5L_TYPE_HARD)
        REFUSE("%s: %.200s: is a soft or external link; only data in the file itself is read", a->path, name);
    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0) return fail_h5(SGN_FORMAT, a->path, name, "open it", err);
    const H5I_type_t type = H5Iget_type(object);
    sgn_status s = SGN_OK;
    if (type == H5I_DATASET) s = add_dataset(a, object, name, err);
    else if (type != H5I_GROUP) s = SGN_ERROR(err, SGN_FORMAT, "%s: %s: is neither a dataset nor a group", a->path, name);
    H5Oclose(object);
    return s;
}

static herr_t visit_link(hid_t group, const char *name, const H5L_info_t *link, void *ctx) {
    state *s = ((sgn_archive *)ctx)->state;
    return (s->status = add_link(ctx, group, name, link->type, s->err)) != SGN_OK;
}

static sgn_status add_note(sgn_archive *a, hid_t attribute, hid_t type, const char *key, sgn_error *err) {
    state *s = a->state;
    note_pair *grown = realloc(s->notes, ((size_t)s->note_count + 1) * sizeof *grown);
    if (grown) s->notes = grown;
    char *text = grown ? calloc(H5Tget_size(type) + 1, 1) : NULL;
    if (!text) SGN_FAIL(err, SGN_NOMEM, "%s: no memory for its notes", a->path);
    strcpy(grown[s->note_count].key, key);
    grown[s->note_count++].text = text;
    return H5Aread(attribute, type, text) < 0 ? fail_h5(SGN_FORMAT, a->path, key, "read this attribute", err) : SGN_OK;
}

/* Text of fixed length is a note; other attributes are left alone. */
static herr_t visit_attribute(hid_t root, const char *key, const H5A_info_t *info, void *ctx) {
    (void)info;
    sgn_archive *a = ctx;
    state *s = a->state;
    const hid_t attribute = H5Aopen(root, key, H5P_DEFAULT), type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    if (attribute < 0) s->status = fail_h5(SGN_FORMAT, a->path, key, "open this attribute", s->err);
    else if (H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 && H5Tget_size(type) <= MAX_NOTE &&
             H5Sget_simple_extent_type(space) == H5S_SCALAR && strlen(key) < MAX_KEY)
        s->status = add_note(a, attribute, type, key, s->err);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return s->status != SGN_OK;
}

static bool recognise(const uint8_t *head, size_t size) { return size >= 8 && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0; }

static sgn_status open_file(sgn_archive *a, const char *path, sgn_error *err) {
    state *s = a->state;
    s->err = err;
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_file_locking(access, 0, 1);              /* not every file system has locks, and reading needs none */
    const hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (file < 0) return fail_h5(SGN_FORMAT, path, "", "open this HDF5 file", err);
    s->file = file;
    /* In native order: for a sorted one libhdf5 1.10 builds tables, and frees garbage where a damaged file stops it half-way. */
    if (H5Lvisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, visit_link, a) < 0) return fail_h5(SGN_FORMAT, path, "", "list its datasets", err);
    SGN_TRY(s->status);
    if (H5Aiterate2(file, H5_INDEX_NAME, H5_ITER_NATIVE, &(hsize_t){ 0 }, visit_attribute, a) < 0)
        return fail_h5(SGN_FORMAT, path, "", "list its attributes", err);
    if (a->count) qsort(a->at, (size_t)a->count, sizeof *a->at, sgn_array_by_name);
    return s->status;
}

static sgn_status open_archive(sgn_archive *a, const char *path, sgn_error *err) {
    a->state = calloc(1, sizeof(state));
    if (!a->state) SGN_FAIL(err, SGN_NOMEM, "%s: no memory to open it", path);
    enter();
    const sgn_status s = open_file(a, path, err);
    leave();
    return s;
}

static void close_archive(sgn_archive *a) {
    state *s = a->state;
    if (!s) return;
    enter();
    if (s->file > 0) H5Fclose(s->file);
    leave();
    for (int i = 0; i < s->note_count; i++) free(s->notes[i].text);
    free(s->notes);
    free(s);
}

/* Chunks and checksums lie between. */
static const void *map_array(const sgn_archive *a, int index) { return (void)a, (void)index, NULL; }

static sgn_status read_array(const sgn_archive *a, int index, void *out, sgn_error *err) {
    const sgn_array *x = &a->at[index];
    const state *s = a->state;
    sgn_status status = SGN_OK;
    enter();
    const hid_t dataset = H5Dopen2(s->file, x->name, H5P_DEFAULT), type = type_open(x->dtype);
    if (dataset < 0 || (x->bytes && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0))
        status = fail_h5(SGN_FORMAT, a->path, x->name, "read it", err);
    H5Tclose(type);
    if (dataset >= 0) H5Dclose(dataset);
    leave();
    return status;
}

static const char *note(const sgn_archive *a, const char *key) {
    const state *s = a->state;
    for (int i = 0; i < s->note_count; i++)
        if (strcmp(s->notes[i].key, key) == 0) return s->notes[i].text;
    return NULL;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Where libhdf5 leaves the file at close, when alone it is complete. Guarded by `lock`. */
static void *image;

static void *image_realloc(void *p, size_t size, H5FD_file_image_op_t op, void *ctx) { return (void)op, (void)ctx, realloc(p, size); }
static herr_t image_free(void *p, H5FD_file_image_op_t op, void *ctx) {
    (void)ctx;
    if (op == H5FD_FILE_IMAGE_OP_FILE_CLOSE) image = p;
    else free(p);
    return 0;
}

static hid_t create_file(void) {
    H5FD_file_image_callbacks_t calls = { .image_realloc = image_realloc, .image_free = image_free };
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    H5Pset_fapl_core(access, GROW, 0);
    H5Pset_file_image_callbacks(access, &calls);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
    H5Pset_obj_track_times(create, 0);
    H5Pset_attr_phase_change(create, MAX_NOTES, 0); /* notes stay in the checksummed object header */
    const hid_t file = H5Fcreate("/dev/null/none", H5F_ACC_TRUNC, create, access);      /* libhdf5 would load a file of this name */
    H5Pclose(access);
    H5Pclose(create);
    return file;
}

/* About CHUNK bytes, whole rows first, and all pieces of a dimension of nearly the same size. */
static void choose_chunk(const sgn_array *x, hsize_t *chunk) {
    uint64_t room = CHUNK / sgn_dtype_bytes(x->dtype);
    for (int i = x->rank - 1; i >= 0; i--) {
        const uint64_t dim = (uint64_t)x->dim[i], pieces = (dim + room - 1) / room;
        chunk[i] = (dim + pieces - 1) / pieces;
        room = room / chunk[i] > 0 ? room / chunk[i] : 1;
    }
}

/* What cannot be chunked (scalars, arrays without elements) goes into the object header, which has a checksum too. */
static hid_t dataset_layout(const sgn_array *x) {
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[SGN_ARRAY_RANK];
    H5Pset_obj_track_times(plist, 0);
    H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER);
    H5Pset_layout(plist, H5D_COMPACT);
    if (x->rank == 0 || x->bytes == 0) return plist;
    choose_chunk(x, chunk);
    H5Pset_chunk(plist, x->rank, chunk);            /* makes the layout chunked */
    H5Pset_fletcher32(plist);
    return plist;
}

/* Without times, which groups made along the way would have. */
static void make_groups(hid_t file, const char *name) {
    const hid_t plist = H5Pcreate(H5P_GROUP_CREATE);
    char group[SGN_ARRAY_NAME];
    H5Pset_obj_track_times(plist, 0);
    for (const char *slash = name; (slash = strchr(slash, '/')) != NULL; slash++) {
        snprintf(group, sizeof group, "%.*s", (int)(slash - name), name);
        if (H5Lexists(file, group, H5P_DEFAULT) <= 0) H5Gclose(H5Gcreate2(file, group, H5P_DEFAULT, plist, H5P_DEFAULT));
    }
    H5Pclose(plist);
}

static bool put_array(hid_t file, const sgn_array *x, const void *data) {
    make_groups(file, x->name);                     /* where that fails, so does what follows */
    hsize_t dim[SGN_ARRAY_RANK];
    for (int i = 0; i < x->rank; i++) dim[i] = (hsize_t)x->dim[i];
    const hid_t space = x->rank ? H5Screate_simple(x->rank, dim, NULL) : H5Screate(H5S_SCALAR);
    const hid_t type = type_open(x->dtype), plist = dataset_layout(x);
    const hid_t dataset = H5Dcreate2(file, x->name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    bool put = dataset >= 0 && (x->bytes == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (dataset >= 0) put = H5Dclose(dataset) >= 0 && put;
    H5Pclose(plist);
    H5Tclose(type);
    H5Sclose(space);
    return put;
}

static bool put_note(hid_t file, const char *key, const char *text) {
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, *text ? strlen(text) : 1);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    H5Tset_cset(type, H5T_CSET_UTF8);
    const hid_t attribute = H5Acreate2(file, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool put = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
    if (attribute >= 0) put = H5Aclose(attribute) >= 0 && put;
    H5Sclose(space);
    H5Tclose(type);
    return put;
}

static sgn_status build_image(const char *path, const sgn_array *at, const sgn_array_source *from, int count,
                              const char *const *notes, sgn_error *err) {
    const hid_t file = create_file();
    const void *data;
    sgn_status s = file < 0 ? fail_h5(SGN_NOMEM, path, "", "start an HDF5 file in memory", err) : SGN_OK;
    for (; s == SGN_OK && notes && *notes; notes += 2)
        if (!put_note(file, notes[0], notes[1])) s = fail_h5(SGN_NOMEM, path, notes[0], "store this note", err);
    for (int i = 0; s == SGN_OK && i < count; i++) {
        leave();                                    /* it may come from another HDF5 file */
        s = from->get(from->ctx, i, &data, err);
        enter();
        if (s == SGN_OK && !put_array(file, &at[i], data)) s = fail_h5(SGN_NOMEM, path, at[i].name, "store this array", err);
    }
    if (file >= 0 && H5Fclose(file) < 0 && s == SGN_OK) s = fail_h5(SGN_NOMEM, path, "", "complete the HDF5 file in memory", err);
    return s;
}

static sgn_status write_archive(const char *path, const sgn_array *at, const sgn_array_source *from, int count,
                                const char *const *notes, sgn_error *err) {
    for (int i = 0; notes && notes[i]; i += 2)
        if (i >= 2 * MAX_NOTES || strlen(notes[i]) >= MAX_KEY || strlen(notes[i + 1]) > MAX_NOTE)
            REFUSE("%s: note %.80s: longer than the %d bytes that HDF5 keeps in a header", path, notes[i], MAX_NOTE);
    enter();
    sgn_status s = build_image(path, at, from, count, notes, err);
    char *whole = image;
    image = NULL;
    leave();
    if (s == SGN_OK) {
        uint64_t size;
        memcpy(&size, whole + 28, sizeof size);     /* superblock 3: the end of the file is the u64 at 28 */
        s = sgn_file_write(path, whole, (size_t)size, err);
    }
    free(whole);
    return s;
}

const sgn_archive_kind sgn_archive_h5 = {
    .name = "h5", .summary = "HDF5, chunked with checksums", .suffix = ".h5", .recognise = recognise, .open = open_archive,
    .map = map_array, .read = read_array, .note = note, .close = close_archive, .write_from = write_archive,
};
