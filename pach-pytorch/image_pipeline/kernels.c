/* The inner loops of the loader, without Python's lock. Built by native.py where a C compiler is found.
 *
 * sample_file, sample_bytes: from a JPEG to its samples in one call: read, decode the part that the boxes need, resample.
 * The JPEG library is not linked: its functions come in by address (sampler.py), so nothing but a compiler is needed.
 *
 * resample_rgb: a box of an RGB picture to a square, exact fixed-point bilinear interpolation. The numbers are those of
 * resample.py (which see for the definition): a picture that this file, OpenCV or NumPy resampled has the same bytes.
 * Rows come first, so that each source row pair is combined once per output row, over the box's width; then each output
 * pixel combines two neighbours of that row.
 *
 * copy_samples: ready samples, wherever they lie, to their slots of a batch.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define X86 1
#endif

#define BIAS 32768 /* rows are kept as int16: a value of 0..65280 less this */
#define ROUND (BIAS * 256 + 32768)

/* The axis table of resample.py: output pixel i is pixel index[i], and its neighbour by weight[i] / 256. */
static void axis_table(int length, int side, int32_t *index, int32_t *weight)
{
    const double step = 1.0 / ((double)side / (double)length);
    for (int i = 0; i < side; i++) {
        const double position = step * (i + 0.5) - 0.5;
        int whole = (int)position;
        if (whole > position)
            whole--;
        const double part = (position - whole) * 256; /* exact */
        int rounded = (int)part;
        const double rest = part - rounded;
        rounded += rest > 0.5 || (rest == 0.5 && (rounded & 1)); /* half to even */
        const int inside = whole >= 0 && whole < length - 1;
        index[i] = whole < 0 ? 0 : whole > length - 1 ? length - 1 : whole;
        weight[i] = inside ? rounded : 0;
    }
}

static inline __attribute__((always_inline)) void rows_loop(
    const uint8_t *restrict upper, const uint8_t *restrict lower, int weight, int16_t *restrict row, int count)
{
    /* The sum is at most 65280, so sixteen bits hold it, and the compiler takes eight or sixteen of them at a time. */
    const uint16_t above = (uint16_t)(256 - weight), below = (uint16_t)weight;
    for (int i = 0; i < count; i++)
        row[i] = (int16_t)(uint16_t)((uint16_t)(upper[i] * above) + (uint16_t)(lower[i] * below) - BIAS);
}

static void rows_plain(const uint8_t *upper, const uint8_t *lower, int weight, int16_t *row, int count)
{
    rows_loop(upper, lower, weight, row, count);
}

static void columns_plain(const int16_t *row, const int32_t *offset, const int16_t *weights, uint8_t *out, int side)
{
    for (int i = 0; i < side; i++, out += 3)
        for (int channel = 0; channel < 3; channel++) {
            const int16_t *two = row + offset[i] + channel;
            out[channel] = (uint8_t)((two[0] * weights[i * 8] + two[3] * weights[i * 8 + 1] + ROUND) >> 16);
        }
}

#ifdef X86
__attribute__((target("avx2"))) static void rows_avx2(const uint8_t *upper, const uint8_t *lower, int weight, int16_t *row, int count)
{
    rows_loop(upper, lower, weight, row, count);
}

/* Two source pixels lie in eight neighbouring int16: r0 g0 b0 r1 g1 b1 x x. Pair them by channel, and one multiply-add
 * does three channels; a register holds two output pixels, so two of them make four, twelve bytes. */
__attribute__((target("avx2"))) static void columns_avx2(
    const int16_t *row, const int32_t *offset, const int16_t *weights, uint8_t *out, int side)
{
    const __m256i pair = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 4, 5, 10, 11));
    const __m256i round = _mm256_set1_epi32(ROUND);
    const __m256i pack = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 8, 10, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    int i = 0;
    for (; i + 4 < side; i += 4, out += 12) { /* the last pixels are left to plain code: the stores are two bytes wide of it */
        __m256i half[2];
        for (int odd = 0; odd < 2; odd++) {
            const __m128i one = _mm_loadu_si128((const __m128i *)(row + offset[i + odd]));
            const __m128i other = _mm_loadu_si128((const __m128i *)(row + offset[i + odd + 2]));
            const __m128i by_one = _mm_loadu_si128((const __m128i *)(weights + (i + odd) * 8));
            const __m128i by_other = _mm_loadu_si128((const __m128i *)(weights + (i + odd + 2) * 8));
            const __m256i two = _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(one), other, 1), pair);
            const __m256i by = _mm256_inserti128_si256(_mm256_castsi128_si256(by_one), by_other, 1);
            half[odd] = _mm256_srli_epi32(_mm256_add_epi32(_mm256_madd_epi16(two, by), round), 16);
        }
        const __m256i four = _mm256_shuffle_epi8(_mm256_packus_epi32(half[0], half[1]), pack);
        _mm_storel_epi64((__m128i *)out, _mm256_castsi256_si128(four));
        _mm_storel_epi64((__m128i *)(out + 6), _mm256_extracti128_si256(four, 1));
    }
    columns_plain(row, offset + i, weights + i * 8, out, side - i);
}
#endif

/* Resample the box of width x height pixels at `source` (rows `stride` bytes apart) into side x side pixels at `out`.
 * 0, or -1 without memory. */
int resample_rgb(const uint8_t *source, ptrdiff_t stride, int width, int height, uint8_t *out, int side)
{
    void (*combine_rows)(const uint8_t *, const uint8_t *, int, int16_t *, int) = rows_plain;
    void (*combine_columns)(const int16_t *, const int32_t *, const int16_t *, uint8_t *, int) = columns_plain;
#ifdef X86
    if (__builtin_cpu_supports("avx2")) {
        combine_rows = rows_avx2;
        combine_columns = columns_avx2;
    }
#endif
    const size_t row_length = (size_t)width * 3 + 8; /* room for the neighbour of the last pixel and for a wide load */
    int32_t *offset = malloc((size_t)side * 4 * sizeof(int32_t) + ((size_t)side * 8 + row_length) * sizeof(int16_t));
    if (offset == NULL)
        return -1;
    int32_t *across = offset + side, *line = across + side, *down = line + side;
    int16_t *weights = (int16_t *)(down + side); /* of each output pixel, four times, as a multiply-add takes them */
    int16_t *row = weights + (size_t)side * 8;
    axis_table(width, side, offset, across);
    axis_table(height, side, line, down);
    for (int i = 0; i < side; i++) {
        offset[i] *= 3;
        for (int lane = 0; lane < 8; lane += 2) {
            weights[i * 8 + lane] = (int16_t)(256 - across[i]);
            weights[i * 8 + lane + 1] = (int16_t)across[i];
        }
    }
    for (size_t i = (size_t)width * 3; i < row_length; i++)
        row[i] = 0; /* only ever multiplied by a weight of nothing */
    for (int i = 0; i < side; i++) {
        const uint8_t *upper = source + (ptrdiff_t)line[i] * stride;
        const uint8_t *lower = line[i] + 1 < height ? upper + stride : upper;
        combine_rows(upper, lower, down[i], row, width * 3);
        combine_columns(row, offset, weights, out + (size_t)i * side * 3, side);
    }
    free(offset);
    return 0;
}

/* What one thread samples with; sampler.py has the same fields. */
typedef struct {
    int x, y, width, height;
} region;

typedef struct {
    int (*header)(void *, const uint8_t *, size_t);
    int (*get)(void *, int);
    int (*crop)(void *, region);
    int (*decompress)(void *, const uint8_t *, size_t, uint8_t *, int, int);
    void *handle;
    uint8_t *file, *pixels;
    size_t file_room, pixels_room;
    int64_t spent[3]; /* nanoseconds of the last call: reading, decoding, resampling */
} sampler;

enum { JPEG = -1, SIZE = -2, MEMORY = -3, OUTSIDE = -4 }; /* what went wrong; above 0, a system error's number */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int make_room(uint8_t **memory, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return 0;
    free(*memory);
    *room = wanted + wanted / 4;
    *memory = malloc(*room);
    if (*memory == NULL)
        *room = 0;
    return *memory == NULL ? MEMORY : 0;
}

/* The samples of `count` boxes (left, top, right, bottom in the picture) of a JPEG, side by side from `out` on. `left`,
 * `top`: where the JPEG lies within the picture. The margins are those of turbojpeg_region.py. */
int sample_bytes(sampler *with, const uint8_t *data, size_t size, int left, int top, const uint16_t *boxes, int count, uint8_t *out,
                 int side)
{
    enum { SUBSAMPLING = 4, WIDTH = 5, HEIGHT = 6, RGB = 0, MARGIN = 2 };
    static const struct {
        int width, height;
    } mcu[] = {{8, 8}, {16, 8}, {16, 16}, {8, 8}, {8, 16}, {32, 8}, {8, 32}};
    const int64_t started = now();
    int x0 = boxes[0], y0 = boxes[1], x1 = boxes[2], y1 = boxes[3];
    for (int i = 1; i < count; i++) {
        const uint16_t *box = boxes + 4 * i;
        x0 = box[0] < x0 ? box[0] : x0;
        y0 = box[1] < y0 ? box[1] : y0;
        x1 = box[2] > x1 ? box[2] : x1;
        y1 = box[3] > y1 ? box[3] : y1;
    }
    if (with->header(with->handle, data, size))
        return JPEG;
    const int width = with->get(with->handle, WIDTH), height = with->get(with->handle, HEIGHT);
    if (x0 < left || y0 < top || x1 > left + width || y1 > top + height)
        return OUTSIDE;
    const int layout = with->get(with->handle, SUBSAMPLING);
    int first = 0, last = width, upper = 0, lower = height;
    if (layout >= 0 && layout < (int)(sizeof mcu / sizeof *mcu)) {
        first = x0 - left - MARGIN;
        first = first < 0 ? 0 : first / mcu[layout].width * mcu[layout].width;
        last = x1 - left + MARGIN < width ? x1 - left + MARGIN : width;
        upper = y0 - top;
        lower = y1 - top;
    }
    const ptrdiff_t stride = (ptrdiff_t)(last - first) * 3;
    if (make_room(&with->pixels, &with->pixels_room, (size_t)stride * (size_t)(lower - upper)))
        return MEMORY;
    if (with->crop(with->handle, (region){first, upper, last - first, lower - upper}) ||
        with->decompress(with->handle, data, size, with->pixels, (int)stride, RGB))
        return JPEG;
    const int64_t decoded = now();
    for (int i = 0; i < count; i++, out += (size_t)side * side * 3) {
        const uint16_t *box = boxes + 4 * i;
        const uint8_t *source = with->pixels + (box[1] - top - upper) * stride + (box[0] - left - first) * 3;
        if (box[0] >= box[2] || box[1] >= box[3])
            return OUTSIDE;
        if (resample_rgb(source, stride, box[2] - box[0], box[3] - box[1], out, side))
            return MEMORY;
    }
    with->spent[0] = 0;
    with->spent[1] = decoded - started;
    with->spent[2] = now() - decoded;
    return 0;
}

/* Into `file`, `size` bytes and one more if there is one; how many there were, or less than 0 and errno. */
static ssize_t read_whole(const char *path, uint8_t *file, size_t size)
{
    const int handle = open(path, O_RDONLY | O_CLOEXEC);
    if (handle < 0)
        return -1;
    size_t got = 0;
    ssize_t more;
    do {
        more = read(handle, file + got, size + 1 - got);
        got += more > 0 ? (size_t)more : 0;
    } while ((more > 0 && got < size) || (more < 0 && errno == EINTR));
    const int problem = errno;
    close(handle);
    errno = problem;
    return more < 0 ? -1 : (ssize_t)got;
}

/* The same of a file that must have `size` bytes. */
int sample_file(sampler *with, const char *path, size_t size, const uint16_t *boxes, int count, uint8_t *out, int side)
{
    const int64_t started = now();
    if (make_room(&with->file, &with->file_room, size + 1))
        return MEMORY;
    const ssize_t got = read_whole(path, with->file, size);
    if (got < 0)
        return errno;
    if ((size_t)got != size)
        return SIZE;
    const int64_t spent = now() - started;
    const int problem = sample_bytes(with, with->file, size, 0, 0, boxes, count, out, side);
    with->spent[0] = spent;
    return problem;
}

void forget_memory(sampler *with)
{
    free(with->file);
    free(with->pixels);
    with->file = with->pixels = NULL;
    with->file_room = with->pixels_room = 0;
}

/* A batch is larger than the caches and is next read by somebody else. So the stores go past the caches where that can be
 * said: a line that is only written need not be fetched before. */
static void copy_past_caches(uint8_t *restrict out, const uint8_t *restrict source, size_t bytes)
{
#ifdef X86
    const size_t before = (size_t)(-(intptr_t)out & 15);
    if (bytes > 4096) {
        memcpy(out, source, before);
        out += before;
        source += before;
        bytes -= before;
        for (; bytes >= 64; bytes -= 64, out += 64, source += 64)
            for (int lane = 0; lane < 64; lane += 16)
                _mm_stream_si128((__m128i *)(out + lane), _mm_loadu_si128((const __m128i *)(source + lane)));
    }
#endif
    memcpy(out, source, bytes);
}

void copy_samples(const uint64_t *addresses, uint8_t *out, int count, size_t bytes)
{
    for (int i = 0; i < count; i++)
        copy_past_caches(out + (size_t)i * bytes, (const uint8_t *)(uintptr_t)addresses[i], bytes);
#ifdef X86
    _mm_sfence();
#endif
}
