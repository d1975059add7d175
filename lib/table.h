// SPDX-License-Identifier: MIT
// What a lesson prints: an aligned table, CSV or JSON.
#ifndef HEDDLE_TABLE_H
#define HEDDLE_TABLE_H
#include "heddle/bench.h"
#include "heddle/result.h"
#include "options.h"

typedef struct hd_table hd_table;
hd_table *hd_table_open(enum hd_format format, bool verify);
void hd_table_title(hd_table *t, const hd_lesson *lesson, const hd_case *c);  // once per size
void hd_table_row(hd_table *t, const hd_result *r, const hd_variant *v);
void hd_table_close(hd_table *t);

// --list: the variants of a lesson. csv: lesson,number,title,unit,size_name,variant,where,why,status
void hd_table_list(const hd_lesson *lesson, enum hd_format format);
#endif
