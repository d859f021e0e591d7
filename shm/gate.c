/* SPDX-License-Identifier: Apache-2.0 */
/* The doors of asks, answers and lookups. Each end takes the other for hostile: the gate because its peer parses foreign bodies, saker-metadata because its peer reads them. */

#include <shm/gate.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

bool gate_is_hex(struct span s, size_t min, size_t max)
{
	if (s.n < min || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
			return false;
	return true;
}

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool gate_is_name(struct span s)
{
	if (s.n == 0 || s.n > GATE_NAME_MAX || !is_letter_or_digit(s.p[0]) ||
		!is_letter_or_digit(s.p[s.n - 1]))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_letter_or_digit(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return true;
}

struct span gate_namespace(struct span id, struct span *ret_rest)
{
	const char *slash = id.n ? memchr(id.p, '/', id.n) : NULL;
	struct span namespace = {.p = id.p, .n = slash ? (size_t)(slash - id.p) : 0};

	*ret_rest = (struct span){0};
	if (!slash)
		return (struct span){0};
	*ret_rest = (struct span){.p = slash + 1, .n = id.n - namespace.n - 1};
	return namespace;
}

/* What names of images are made of. */
static bool is_image_name(struct span s)
{
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_letter_or_digit(s.p[i]) && !strchr("._-/:@+", s.p[i]))
			return false;
	return !memchr(s.p, 0, s.n);
}

static bool fits_containerd(enum gate_what what, struct span id)
{
	struct span rest, namespace;

	if (what == GATE_NAMESPACES)
		return id.n == 0;
	if (what == GATE_LIST)
		return gate_is_name(id);
	namespace = gate_namespace(id, &rest);
	if (id.n >= GATE_ID_MAX || !gate_is_name(namespace))
		return false;
	return (what == GATE_INSPECT && gate_is_name(rest)) ||
	       (what == GATE_IMAGE && is_image_name(rest));
}

bool gate_id_fits(unsigned kind, enum gate_what what, struct span id)
{
	if (kind == GATE_CONTAINERD)
		return fits_containerd(what, id);
	switch (what) {
	case GATE_LIST:
	case GATE_PODS:
		return id.n == 0;
	case GATE_INSPECT:
	case GATE_BRIEF:
		return gate_is_hex(id, 12, 64);
	case GATE_IMAGE:
	case GATE_POD:
		return gate_is_hex(id, 64, 64);
	default:
		return false;
	}
}

int gate_ask_validate(const struct rec_head *rec)
{
	const struct gate_ask *a = (const struct gate_ask *)rec;

	if (rec->ring.type != REC_GATE_ASK || rec->ring.len != sizeof(*a) || a->cookie == 0 ||
		a->what >= _GATE_WHAT_MAX || !memchr(a->id, 0, sizeof(a->id)))
		return -EBADMSG;
	return 0;
}

int gate_answer_validate(const struct rec_head *rec)
{
	const struct gate_answer *a = (const struct gate_answer *)rec;

	if (rec->ring.type != REC_GATE_ANSWER || rec->ring.len < sizeof(*a) ||
		a->n > GATE_PART_MAX || a->n > rec->ring.len - sizeof(*a))
		return -EBADMSG;
	if (a->runtime >= GATE_RUNTIMES_MAX || a->what >= _GATE_WHAT_MAX ||
		(a->cookie == 0) != gate_is_unasked(a->what))
		return -EBADMSG;
	return 0;
}

int lookup_validate(const struct rec_head *rec)
{
	const struct lookup *l = (const struct lookup *)rec;

	if (rec->ring.type != REC_LOOKUP || rec->ring.len < sizeof(*l) || l->n == 0 ||
		l->n > rec->ring.len - sizeof(*l) || l->n > UINT8_MAX || l->pid > INT32_MAX)
		return -EBADMSG;
	return 0;
}

const char *gate_kind_str(unsigned kind)
{
	static const char *const names[] = {
		[GATE_DOCKER] = "docker",
		[GATE_PODMAN] = "podman",
		[GATE_CRI] = "cri",
		[GATE_CONTAINERD] = "containerd",
	};

	_Static_assert(ARRAY_LEN(names) == _GATE_KIND_MAX, "a name for every kind");
	return kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "?";
}

const char *gate_status_str(unsigned status)
{
	static const char *const names[] = {[GATE_OK] = "all of it",
		[GATE_DOWN] = "no connection",
		[GATE_TIMEOUT] = "no answer in time",
		[GATE_TOO_BIG] = "the answer is too big",
		[GATE_BUSY] = "too many requests",
		[GATE_REFUSED] = "not a request",
		[GATE_PROTOCOL] = "the answer is no HTTP"};

	_Static_assert(ARRAY_LEN(names) == _GATE_STATUS_MAX, "a name for every status");
	return status < ARRAY_LEN(names) ? names[status] : "the runtime's answer";
}
