/* The limit that the engine is measured against: one pass with two moving ends per entity and window, all functions of a window at once.
 *
 * Events and queries come sorted by (entity, time). A window holds the events with time - length <= event < time. It knows one column of
 * whole numbers, one of booleans, and that events became available in the order in which they happened; it has no rules for anything else.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { COUNT, SUM, MEAN, VAR, STD, MIN, MAX, FIRST, LAST, SINCE, SHARE };

int sweep(int64_t n, const int64_t *code, const int64_t *time, const int64_t *x, const uint8_t *valid, const uint8_t *late, int64_t m,
          const int64_t *asked_code, const int64_t *asked_time, const int64_t *asked_row, int64_t length, double *out)
{
    int64_t *low = malloc(sizeof(int64_t) * (size_t)(n + 1)), *high = malloc(sizeof(int64_t) * (size_t)(n + 1));
    if (!low || !high) { free(low); free(high); return 1; }
    int64_t start = 0, end = 0, low_from = 0, low_to = 0, high_from = 0, high_to = 0;
    int64_t known = 0, sum = 0, lates = 0, last = -1, first = 0;
    double squares = 0;
    for (int64_t q = 0; q < m; q++) {
        int64_t c = asked_code[q], until = asked_time[q], since = until - length;
        while (end < n && (code[end] < c || (code[end] == c && time[end] < until))) {
            if (valid[end]) {
                known++; sum += x[end]; squares += (double)x[end] * (double)x[end]; lates += late[end]; last = end;
                while (low_to > low_from && x[low[low_to - 1]] >= x[end]) low_to--;
                low[low_to++] = end;
                while (high_to > high_from && x[high[high_to - 1]] <= x[end]) high_to--;
                high[high_to++] = end;
            }
            end++;
        }
        while (start < end && (code[start] < c || time[start] < since)) {
            if (valid[start]) { known--; sum -= x[start]; squares -= (double)x[start] * (double)x[start]; lates -= late[start]; }
            start++;
        }
        while (low_from < low_to && low[low_from] < start) low_from++;
        while (high_from < high_to && high[high_from] < start) high_from++;
        if (first < start) first = start;
        while (first < end && !valid[first]) first++;
        double mean = known ? (double)sum / (double)known : NAN;
        double var = known > 1 ? (squares - (double)sum * mean) / (double)(known - 1) : NAN;
        double *row = out + asked_row[q];
        row[COUNT * m] = (double)(end - start);
        row[SUM * m] = (double)sum;
        row[MEAN * m] = mean;
        row[VAR * m] = var;
        row[STD * m] = sqrt(var > 0 ? var : var == var ? 0 : NAN);
        row[MIN * m] = known ? (double)x[low[low_from]] : NAN;
        row[MAX * m] = known ? (double)x[high[high_from]] : NAN;
        row[FIRST * m] = known ? (double)x[first] : NAN;
        row[LAST * m] = known ? (double)x[last] : NAN;
        row[SINCE * m] = known ? (double)(until - time[last]) / 1e6 : NAN;
        row[SHARE * m] = known ? (double)lates / (double)known : NAN;
    }
    free(low);
    free(high);
    return 0;
}
