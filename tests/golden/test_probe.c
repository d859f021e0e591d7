/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler and interpreter against recorded verdicts: 569 rules (every operator over most fields),
 * each on every event of a recording. The values of the fields come from the reference's own dump
 * of the same events (the linker puts __wrap_evl_field() and the row in the place of field access), so what is
 * compared is the language alone. Skips (77) without the recordings, which are found by
 * SAKER_SHARED or beside the source tree. Arguments: name of the recording, how many verdicts may
 * differ. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <rules/compile.h>

#include "field.h"

#define EVENTS_MAX 65536
#define LIST_MAX 64

static json_t *event; /* the fields of the event at hand */
static json_t *known; /* any event: its keys are the fields that were dumped */

void __wrap_evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v);
const struct evl_field_row *__wrap_evl_field_row(uint16_t field);

static void set_ip(struct evl_value *v, const char *text, bool is_net)
{
	*v = (struct evl_value){
		.type = EVL_IP, .is_net = is_net, .family = strchr(text, ':') ? 6 : 4};
	if (inet_pton(v->family == 4 ? AF_INET : AF_INET6, text, v->ip) != 1)
		abort();
}

static void set_list(struct evl_value *v, const json_t *list)
{
	static struct span texts[LIST_MAX];
	size_t n = MIN(json_array_size(list), (size_t)LIST_MAX);

	for (size_t i = 0; i < n; i++)
		texts[i] = span_str(json_string_value(json_array_get(list, i)));
	*v = (struct evl_value){.type = EVL_LIST, .n = (uint32_t)n, .list = texts};
}

/* Numbers may stand as text (hexadecimal ones do). */
static uint64_t number(const json_t *j, bool is_hex)
{
	if (json_is_string(j))
		return strtoull(json_string_value(j), NULL, is_hex ? 16 : 10);
	return (uint64_t)json_integer_value(j);
}

void __wrap_evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	const struct field_info *f = field_info_get(x->field);
	const char *key = img_text(&e->img, x->text).p;
	char address[] = "fd.xip"; /* networks are dumped as "<IPNET>": look at the address */
	const json_t *j;

	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (f->type == FT_IPNET) {
		address[3] = f->name[3];
		key = address;
	}
	j = json_object_get(event, key);
	if (!j || json_is_null(j))
		return;
	if (json_is_array(j))
		set_list(ret_v, j);
	else if (f->type == FT_IPADDR || f->type == FT_IPNET)
		set_ip(ret_v, json_string_value(j), f->type == FT_IPNET);
	else if (json_is_boolean(j))
		evl_set_bool(ret_v, json_is_true(j));
	else if (f->type == FT_CHARBUF || f->type == FT_BYTEBUF)
		evl_set_str(ret_v, span_str(json_string_value(j)));
	else if (f->type == FT_DOUBLE)
		evl_set_double(ret_v, json_number_value(j));
	else if (f->type == FT_INT16 || f->type == FT_INT32 || f->type == FT_INT64)
		evl_set_i64(ret_v, (int64_t)number(j, f->print == FP_HEX));
	else
		evl_set_u64(ret_v, number(j, f->type == FT_DYNAMIC));
}

static void get_recorded(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	__wrap_evl_field(e, a->x, ret_v);
}

/* Every field has the one getter: the dump. */
const struct evl_field_row *__wrap_evl_field_row(uint16_t field)
{
	static struct evl_field_row rows[_FIELD_ID_MAX];

	rows[field] = (struct evl_field_row){.field = field, .get = get_recorded};
	return &rows[field];
}

/* Is the field's value in the dump, and as the rule sees it? */
static bool is_usable_field(const struct img *img, const struct img_expr *x)
{
	const char *key = img_text(img, x->text).p;

	switch (x->field) {
	case FIELD_ID_FD_IP: /* tests, not values */
	case FIELD_ID_FD_NET:
	case FIELD_ID_FD_PORT:
	case FIELD_ID_FD_PROTO:
	case FIELD_ID_EVT_TIME: /* dumped as numbers */
	case FIELD_ID_EVT_TIME_S:
	case FIELD_ID_EVT_TIME_ISO8601:
	case FIELD_ID_EVT_DATETIME:
	case FIELD_ID_EVT_DATETIME_S:
		return false;
	case FIELD_ID_PROC_ANAME:
		return x->arg_kind == IMG_ARG_INDEX && json_object_get(known, key);
	default:
		return json_object_get(known, key);
	}
}

static bool is_usable_expr(const struct img *img, uint32_t expr)
{
	const struct img_expr *x = &img->exprs[expr];

	if (x->kind == IMG_E_FIELD)
		return is_usable_field(img, x);
	for (uint32_t i = 0; x->kind != IMG_E_CONST && i < x->n_args; i++)
		if (!is_usable_expr(img, img->args[x->args_first + i]))
			return false;
	return true;
}

static bool is_usable(const struct img *img, const struct img_rule *r)
{
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_pred *p = &img->preds[img->nodes[r->nodes_first + i].pred];

		if (!is_usable_expr(img, p->expr))
			return false;
		if (p->rhs_kind == IMG_RHS_EXPR && !is_usable_expr(img, p->rhs))
			return false;
	}
	return true;
}

static FILE *open_recording(const char *name, const char *suffix, bool is_gz)
{
	const char *shared = getenv("SAKER_SHARED");
	char path[4096], command[4200];

	(void)snprintf(path, sizeof(path), "%s/data/golden/%s%s",
		shared ? shared : SAKER_SOURCE_ROOT "/../shared", name, suffix);
	if (access(path, R_OK) < 0)
		return NULL;
	if (!is_gz)
		return fopen(path, "r");
	(void)snprintf(command, sizeof(command), "gzip -dc '%s'", path);
	return popen(command, "r");
}

static void compile(struct evl *e, const struct settings *settings)
{
	static const char *const none[] = {NULL};
	static char text[1 << 20];
	struct rules_output out = {
		.name = "o", .min_priority = 7, .rules_include = none, .tags_include = none};
	struct rules_options opt = {
		.min_priority = 7, .match_all = true, .outputs = &out, .n_outputs = 1};
	struct rules_file file = {.name = "probe.yaml", .text = text};
	struct rules_result res; /* lives to the end */
	FILE *f = open_recording("probe", ".yaml", false);
	const char *why = "";
	struct img img;
	struct diag d;

	if (!f)
		exit(77);
	file.n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	diag_init(&d);
	if (rules_compile(&file, 1, &opt, &d, &res) < 0) {
		diag_print(&d, stderr);
		exit(1);
	}
	diag_done(&d);
	if (img_verify(res.image, res.size, &img, &why) < 0 ||
		evl_init(e, &img, settings, &why) < 0) {
		(void)fprintf(stderr, "%s\n", why);
		exit(1);
	}
}

/* Numbers beyond an int64 (bogus times of files) are more than the JSON library takes: every one of
 * 19 digits or more is put in quotes. Returns a malloc'd copy. */
static char *quote_large(const char *line)
{
	char *copy = malloc(2 * strlen(line) + 1), *to = copy;
	bool in_text = false;

	for (const char *p = line; copy && *p;) {
		size_t n = in_text ? 0 : strspn(p, "0123456789");

		if (in_text && *p == '\\' && p[1]) {
			*to++ = *p++;
			*to++ = *p++;
			continue;
		}
		if (*p == '"')
			in_text = !in_text;
		if (n >= 19)
			*to++ = '"';
		for (size_t i = 0; i < MAX(n, (size_t)1); i++)
			*to++ = *p++;
		if (n >= 19)
			*to++ = '"';
	}
	if (copy)
		*to = '\0';
	return copy;
}

/* verdicts[rule * EVENTS_MAX + event number]: 0 not dumped, 1 no, 2 yes */
static unsigned judge(struct evl *e, FILE *f, uint8_t *verdicts)
{
	static struct ev ev = {.slot = PREC_NO_SLOT};
	static const struct ev_view view = {.ev = &ev};
	_cleanup_free_ char *line = NULL;
	unsigned n = 0;
	size_t cap = 0;

	while (getline(&line, &cap, f) > 0) {
		_cleanup_free_ char *text = quote_large(line);
		json_int_t num;

		event = text ? json_loads(text, 0, NULL) : NULL;
		num = json_integer_value(json_object_get(event, "evt.num"));
		if (num <= 0 || num >= EVENTS_MAX)
			abort();
		if (!known)
			known = json_incref(event);
		evl_event_begin(e, &view);
		for (uint32_t r = 0; r < e->img.n[IMG_SEC_RULE]; r++)
			verdicts[(size_t)r * EVENTS_MAX + (size_t)num] =
				evl_rule_matches(e, &e->img.rules[r]) ? 2 : 1;
		json_decref(event);
		n++;
	}
	return n;
}

static const uint8_t *row_of(const struct img *img, const uint8_t *verdicts, const char *name)
{
	for (uint32_t r = 0; r < img->n[IMG_SEC_RULE]; r++)
		if (span_eq_str(img_text(img, img->rules[r].name), name) &&
			is_usable(img, &img->rules[r]))
			return verdicts + (size_t)r * EVENTS_MAX;
	return NULL;
}

/* "15,17-20": which of the dumped events match. Returns how many differ. */
static unsigned differences(const uint8_t *row, char *ranges)
{
	static uint8_t want[EVENTS_MAX];
	unsigned n = 0;

	memset(want, 1, sizeof(want));
	for (char *p = ranges; p && *p;) {
		unsigned long from = strtoul(p, &p, 10), to = from;

		if (*p == '-')
			to = strtoul(p + 1, &p, 10);
		for (; from <= to && from < EVENTS_MAX; from++)
			want[from] = 2;
		p = *p == ',' ? p + 1 : NULL;
	}
	for (size_t i = 0; i < EVENTS_MAX; i++)
		n += row[i] && row[i] != want[i];
	return n;
}

int main(int argc, char **argv)
{
	static const struct settings settings = {.threads_max = 8};
	FILE *fields = argc > 2 ? open_recording(argv[1], ".fields.jsonl.gz", true) : NULL;
	FILE *probe = argc > 2 ? open_recording(argv[1], ".probe.tsv.gz", true) : NULL;
	_cleanup_free_ uint8_t *verdicts = NULL;
	_cleanup_free_ char *line = NULL;
	unsigned n_events, n_rules = 0, differ = 0;
	size_t cap = 0;
	struct evl e;

	if (!fields || !probe) {
		puts("skipped: no recordings (set SAKER_SHARED)");
		return 77;
	}
	compile(&e, &settings);
	verdicts = calloc(e.img.n[IMG_SEC_RULE], EVENTS_MAX);
	if (!verdicts)
		return 1;
	n_events = judge(&e, fields, verdicts);
	while (getline(&line, &cap, probe) > 0) {
		char *ranges = line, *name = strsep(&ranges, "\t\n");
		const uint8_t *row = row_of(&e.img, verdicts, name);
		unsigned n;

		(void)strsep(&ranges, "\t\n"); /* how many: over all events, dumped or not */
		if (!row)
			continue;
		n_rules++;
		n = differences(row, ranges);
		if (n)
			printf("%s: %u differ\n", name, n);
		differ += n;
	}
	printf("%u events, %u rules: %u verdicts differ\n", n_events, n_rules, differ);
	(void)pclose(fields);
	(void)pclose(probe);
	evl_done(&e);
	return n_events > 0 && n_rules > 500 && differ <= strtoul(argv[2], NULL, 10) ? 0 : 1;
}
