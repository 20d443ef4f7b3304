// SPDX-License-Identifier: GPL-2.0-or-later
//
// A plugin of QEMU 7.2's user mode (plugin interface 1): which blocks of instructions a program executed how often, and
// what they did to a model of the Cortex-A72's caches. Unlike the rest of edgetune this file is under QEMU's own
// licence, since it becomes part of QEMU when it is loaded.
//
//     qemu-aarch64 -plugin plugin.so,out=counts.txt[,caches=on] program …
//
// Only a region counts: it begins with the system call sched_get_priority_max(0x7771) and ends with the same call of
// 0x7772; after 0x7770 the caches are filled, but nothing is counted. The file that is written at the end holds a line
// with the number of blocks and cache statistics, then one line a block (its address, how often it ran, its
// instructions in hexadecimal), then the line "end": a disk that fills leaves a file that can be told from a whole one.

#include <inttypes.h>
#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of the plugin interface, declared here so that no header of QEMU is needed to build.
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*block_callback)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*call_callback)(unsigned, void *);
typedef void (*memory_callback)(unsigned, qemu_plugin_meminfo_t, uint64_t, void *);
typedef void (*syscall_callback)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t, uint64_t);
typedef void (*exit_callback)(qemu_plugin_id_t, void *);
enum { NO_REGISTERS = 0, READ_AND_WRITE = 3, ADD_U64 = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, block_callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, call_callback, int, void *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, memory_callback, int, int, void *);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, syscall_callback);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_callback, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
unsigned qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { SYS_SCHED_GET_PRIORITY_MAX = 125, WARM = 0x7770, START = 0x7771, STOP = 0x7772 };
enum { LINE_BITS = 6, PAGE_BITS = 12, STREAMS = 16, TLB_SETS = 256, TLB_WAYS = 4 };

static bool caches_on;
static const char *out_path = "counts.txt";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool filling, finished;

// Blocks ---------------------------------------------------------------------------------------------------------------

typedef struct {
    uint64_t address, runs, counted;
    size_t length;
    uint32_t *code;
} Block;

static void *blocks;  // a tree of Block by address, length and code

static int compare_blocks(const void *a, const void *b)
{
    const Block *x = a, *y = b;
    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return memcmp(x->code, y->code, 4 * x->length);
}

static void forget_runs(const void *node, VISIT visit, int depth)
{
    if (visit == postorder || visit == leaf) (*(Block **)node)->runs = 0;
}

static void keep_runs(const void *node, VISIT visit, int depth)
{
    if (visit == postorder || visit == leaf) (*(Block **)node)->counted = (*(Block **)node)->runs;
}

// Caches: least recently used, of physical sizes; addresses are the emulated process's own ------------------------------

typedef struct {
    int sets, ways;
    uint64_t *tags, *ages, clock, accesses, misses;
} Cache;

static Cache l1i, l1d, l2, tlb;
static uint64_t loads, stores, streamed, streams[STREAMS];
static unsigned next_stream;

static void make_cache(Cache *cache, int sets, int ways)
{
    cache->sets = sets;
    cache->ways = ways;
    cache->tags = malloc(sizeof(uint64_t) * sets * ways);
    memset(cache->tags, 0xff, sizeof(uint64_t) * sets * ways);
    cache->ages = calloc((size_t)sets * ways, sizeof(uint64_t));
}

static bool hits(Cache *cache, uint64_t tag)
{
    size_t first = (size_t)(tag % cache->sets) * cache->ways;
    uint64_t *tags = cache->tags + first, *ages = cache->ages + first;
    int oldest = 0;
    cache->accesses++;
    for (int way = 0; way < cache->ways; way++) {
        if (tags[way] == tag) {
            ages[way] = ++cache->clock;
            return true;
        }
        if (ages[way] < ages[oldest]) oldest = way;
    }
    tags[oldest] = tag;
    ages[oldest] = ++cache->clock;
    cache->misses++;
    return false;
}

static void access_l2(uint64_t line)
{
    if (hits(&l2, line)) return;
    for (int i = 0; i < STREAMS; i++) {  // what a prefetcher that follows streams would have fetched in time
        if (line > streams[i] && line - streams[i] <= 2) {
            streams[i] = line;
            streamed++;
            return;
        }
    }
    streams[next_stream++ % STREAMS] = line;
}

static void access_data(uint64_t line)
{
    if (!hits(&l1d, line)) access_l2(line);
    hits(&tlb, line >> (PAGE_BITS - LINE_BITS));
}

static void on_memory(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    if (!filling) return;
    uint64_t first = address >> LINE_BITS;
    uint64_t last = (address + (1u << qemu_plugin_mem_size_shift(info)) - 1) >> LINE_BITS;
    *(qemu_plugin_mem_is_store(info) ? &stores : &loads) += 1;
    access_data(first);
    if (last != first) access_data(last);
}

static void on_block(unsigned cpu, void *data)
{
    if (!filling) return;
    const Block *block = data;
    uint64_t last = (block->address + 4 * block->length - 1) >> LINE_BITS;
    for (uint64_t line = block->address >> LINE_BITS; line <= last; line++)
        if (!hits(&l1i, line)) access_l2(line);
}

// The region, and what QEMU calls ---------------------------------------------------------------------------------------

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t length = qemu_plugin_tb_n_insns(tb);
    Block *block = calloc(1, sizeof(Block));
    block->address = qemu_plugin_tb_vaddr(tb);
    block->length = length;
    block->code = malloc(4 * length);
    for (size_t i = 0; i < length; i++)
        memcpy(block->code + i, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), 4);
    pthread_mutex_lock(&lock);
    Block *known = *(Block **)tsearch(block, &blocks, compare_blocks);
    pthread_mutex_unlock(&lock);
    if (known != block) {
        free(block->code);
        free(block);
    }
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &known->runs, 1);
    if (!caches_on) return;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, known);
    for (size_t i = 0; i < length; i++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_memory, NO_REGISTERS, READ_AND_WRITE, NULL);
}

static void on_syscall(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t mark, uint64_t b, uint64_t c,
                       uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    if (number != SYS_SCHED_GET_PRIORITY_MAX || finished) return;
    if (mark == WARM) {
        filling = true;
    } else if (mark == START) {
        twalk(blocks, forget_runs);
        Cache *all[] = {&l1i, &l1d, &l2, &tlb};
        for (int i = 0; i < 4; i++) all[i]->accesses = all[i]->misses = 0;
        loads = stores = streamed = 0;
        filling = true;
    } else if (mark == STOP) {
        twalk(blocks, keep_runs);
        filling = false;
        finished = true;
    }
}

static FILE *out;
static uint64_t counted_blocks;

static void count_block(const void *node, VISIT visit, int depth)
{
    if (visit == postorder || visit == leaf) counted_blocks += (*(Block **)node)->counted > 0;
}

static void print_block(const void *node, VISIT visit, int depth)
{
    if (visit != postorder && visit != leaf) return;
    const Block *block = *(Block **)node;
    if (!block->counted) return;
    fprintf(out, "%" PRIx64 " %" PRIu64, block->address, block->counted);
    for (size_t i = 0; i < block->length; i++) fprintf(out, " %08" PRIx32, block->code[i]);
    fputc('\n', out);
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    if (!finished || !(out = fopen(out_path, "w"))) return;
    twalk(blocks, count_block);
    fprintf(out, "blocks %" PRIu64 " loads %" PRIu64 " stores %" PRIu64 " l1i_misses %" PRIu64 " l1d_misses %" PRIu64 " l2_misses %" PRIu64
            " streamed %" PRIu64 " tlb_misses %" PRIu64 "\n",
            counted_blocks, loads, stores, l1i.misses, l1d.misses, l2.misses, streamed, tlb.misses);
    twalk(blocks, print_block);
    fputs("end\n", out);
    bool failed = ferror(out);
    if (fclose(out) || failed) perror(out_path);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc,
                                                               char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4)) out_path = strdup(argv[i] + 4);
        if (!strcmp(argv[i], "caches=on")) caches_on = true;
    }
    make_cache(&l1i, 256, 3);        // 48 kB
    make_cache(&l1d, 256, 2);        // 32 kB
    make_cache(&l2, 1024, 16);       // 1 MB, shared by the four cores, of which one works here
    make_cache(&tlb, TLB_SETS, TLB_WAYS);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
