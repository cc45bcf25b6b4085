/* The two inner loops of the loader, without Python's lock. Built by native.py where a C compiler is found.
 *
 * resample_rgb: a box of an RGB picture to a square, exact fixed-point bilinear interpolation. The numbers are those of
 * resample.py (which see for the definition and for the tables): a picture that this file, OpenCV or NumPy resampled has
 * the same bytes. Rows come first, so that each source row pair is combined once per output row, over the box's width; then
 * each output pixel combines two neighbours of that row.
 *
 * copy_samples: ready samples, wherever they lie, to their slots of a batch.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define X86 1
#endif

#define BIAS 32768 /* rows are kept as int16: a value of 0..65280 less this */

static void combine_rows(const uint8_t *restrict upper, const uint8_t *restrict lower, int weight, int16_t *restrict row, int count)
{
    /* The sum is at most 65280, so sixteen bits hold it, and the compiler takes eight or sixteen of them at a time. */
    const uint16_t above = (uint16_t)(256 - weight), below = (uint16_t)weight;
    for (int i = 0; i < count; i++)
        row[i] = (int16_t)(uint16_t)((uint16_t)(upper[i] * above) + (uint16_t)(lower[i] * below) - BIAS);
}

#ifdef X86
/* Two source pixels lie in eight neighbouring int16: r0 g0 b0 r1 g1 b1 x x. Pair them by channel and let one
 * multiply-add do three channels. */
__attribute__((target("ssse3"))) static void combine_columns_ssse3(
    const int16_t *restrict row, const int32_t *restrict offset, const int32_t *restrict weights, uint8_t *restrict out, int side)
{
    const __m128i pair = _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 4, 5, 10, 11);
    const __m128i round = _mm_set1_epi32(BIAS * 256 + 32768);
    const __m128i pack = _mm_setr_epi8(2, 6, 10, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    for (int i = 0; i < side; i++) {
        __m128i two = _mm_loadu_si128((const __m128i *)(row + offset[i]));
        __m128i sum = _mm_madd_epi16(_mm_shuffle_epi8(two, pair), _mm_set1_epi32(weights[i]));
        uint32_t pixel = (uint32_t)_mm_cvtsi128_si32(_mm_shuffle_epi8(_mm_add_epi32(sum, round), pack));
        if (i + 1 == side) {
            memcpy(out, &pixel, 3);
            break;
        }
        memcpy(out, &pixel, 4); /* the fourth byte is the next pixel's, which comes right after */
        out += 3;
    }
}
#endif

static void combine_columns(
    const int16_t *restrict row, const int32_t *restrict offset, const int32_t *restrict weights, uint8_t *restrict out, int side)
{
    for (int i = 0; i < side; i++) {
        const int16_t *two = row + offset[i];
        const int left = (int16_t)(weights[i] & 0xffff), right = weights[i] >> 16;
        for (int channel = 0; channel < 3; channel++)
            out[channel] = (uint8_t)((two[channel] * left + two[channel + 3] * right + BIAS * 256 + 32768) >> 16);
        out += 3;
    }
}

/* Resample the box of width x height pixels at `source` (rows `stride` bytes apart) into side x side pixels at `out`.
 * x_index, x_weight, y_index, y_weight: the axis tables of resample.py, `side` numbers each. 0, or -1 without memory. */
int resample_rgb(const uint8_t *source, ptrdiff_t stride, int width, int height, const int32_t *x_index, const int32_t *x_weight,
                 const int32_t *y_index, const int32_t *y_weight, uint8_t *out, int side)
{
    const size_t row_length = (size_t)width * 3 + 8; /* room for the neighbour of the last pixel and for a wide load */
    int16_t *row = malloc(row_length * sizeof(int16_t));
    if (row == NULL)
        return -1;
    int32_t *weights = malloc((size_t)side * 2 * sizeof(int32_t));
    if (weights == NULL) {
        free(row);
        return -1;
    }
    int32_t *offset = weights + side;
    for (int i = 0; i < side; i++) {
        offset[i] = x_index[i] * 3;
        weights[i] = (x_weight[i] << 16) | (256 - x_weight[i]);
    }
    for (size_t i = (size_t)width * 3; i < row_length; i++)
        row[i] = 0; /* only ever multiplied by a weight of nothing */
#ifdef X86
    const int fast = __builtin_cpu_supports("ssse3");
#endif
    for (int line = 0; line < side; line++) {
        const uint8_t *upper = source + (ptrdiff_t)y_index[line] * stride;
        const uint8_t *lower = y_index[line] + 1 < height ? upper + stride : upper;
        combine_rows(upper, lower, y_weight[line], row, width * 3);
        uint8_t *target = out + (size_t)line * side * 3;
#ifdef X86
        if (fast) {
            combine_columns_ssse3(row, offset, weights, target, side);
            continue;
        }
#endif
        combine_columns(row, offset, weights, target, side);
    }
    free(weights);
    free(row);
    return 0;
}

void copy_samples(const uint64_t *addresses, uint8_t *out, int count, size_t bytes)
{
    for (int i = 0; i < count; i++)
        memcpy(out + (size_t)i * bytes, (const void *)(uintptr_t)addresses[i], bytes);
}
