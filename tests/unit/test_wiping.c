/*
 * node/wiping: memory that is given back is overwritten once something sealed was opened, and
 * not before; what is moved leaves nothing where it was.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node/wiping.h"

#define SIZE 600u

/* What stands in memory that was given back is not the caller's to read: through volatile, the
 * first words left out, which the allocator uses. */
static size_t left_of(const volatile unsigned char *freed)
{
    size_t left = 0;

    for (size_t i = 32; i < SIZE; i++)
        left += freed[i] == 0x5a;
    return left;
}

static unsigned char *filled(void)
{
    unsigned char *block = malloc(SIZE);

    assert_non_null(block);
    memset(block, 0x5a, SIZE);
    return block;
}

static void test_wiping__what_is_given_back(void **state)
{
    unsigned char *block = filled();
    const volatile unsigned char *volatile freed = block;

    (void)state;
    atomic_store(&hark_wiping, true);
    free(block);
    assert_int_equal(left_of(freed), 0);
    free(NULL);
}

static void test_wiping__what_is_moved(void **state)
{
    unsigned char *block = filled(), *moved;
    const volatile unsigned char *volatile before = block;

    (void)state;
    atomic_store(&hark_wiping, true);
    moved = realloc(block, 100u * SIZE);
    assert_non_null(moved);
    assert_ptr_not_equal((const void *)(uintptr_t)moved, (const void *)(uintptr_t)before);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(moved[i], 0x5a);
    assert_int_equal(left_of(before), 0);
    /* Smaller by much: moved as well; by little: stays. */
    block = realloc(moved, SIZE);
    assert_non_null(block);
    assert_int_equal(block[SIZE - 1], 0x5a);
    moved = realloc(block, SIZE - 8);
    assert_ptr_equal(moved, block);
    free(moved);
    moved = realloc(NULL, 10);
    assert_non_null(moved);
    free(moved);
}

static void test_wiping__nothing_to_hide(void **state)
{
    unsigned char *block = filled();
    const volatile unsigned char *volatile freed = block;

    (void)state;
    atomic_store(&hark_wiping, false);
    free(block);
    assert_true(left_of(freed) > SIZE / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wiping__what_is_given_back),
        cmocka_unit_test(test_wiping__what_is_moved),
        cmocka_unit_test(test_wiping__nothing_to_hide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
