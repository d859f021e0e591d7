/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-metadata - users, groups, addresses and containers of the host as records
 * SYNOPSIS
 *   started by saker(8) alone
 * DESCRIPTION
 *   Reads the passwd and group files and the route socket that the supervisor hands over, and writes useradded, groupadded and saker_iface records into the meta
 *   ring, behind the first complete list a SNAP_END. The file of containers' facts, where one is configured, becomes saker_container records. Once a second it looks whether a file has changed; then it asks the supervisor for a fresh descriptor, reads that
 *   and sends what was added and what went away. It ends at CTL_STOP.
 *   Containers are looked up at their runtimes through saker-gate, which has the sockets: this process says kinds and ids, and parses what the runtimes answer.
 * SECURITY
 *   Parses texts, kernel messages and the answers of container runtimes. Holds at most three read-only files, one route socket, rings; no capability, no file names, its own uid. An attacker in it can lie about
 *   names of users, about containers and local addresses, not about processes: the collector takes nothing else from it.
 * DIAGNOSTICS
 *   0 stopped; 1 failure (one line in the log); 3 the ring's reader broke the protocol. */

#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <shm/gate.h>
#include <shm/rec.h>
#include <shm/settings.h>
#include <stage/stage.h>

#include "containerfile.h"
#include "lookups.h"
#include "metadata_hooks.h"
#include "netlink.h"
#include "userlist.h"
#include "users.h"

#define BATCH_MAX 64
#define LOOK_NS NS_PER_S
#define ASK_AGAIN_NS (5 * NS_PER_S) /* the supervisor may have found no file just now */

struct metadata {
	struct md_list lists[_MD_FILE_MAX];
	int fds[_MD_FILE_MAX];           /* -1: none, or asked for */
	uint64_t asked_ns[_MD_FILE_MAX]; /* CLOCK_MONOTONIC of the last request; 0: none open */
	uint64_t looked_ns;
	struct md_containers containers;
	int containers_fd;           /* -1: none, or asked for */
	const char *containers_name; /* NULL: there is no such file */
	uint64_t containers_asked_ns;
	struct md_netlink netlink;
	struct md_addr addr; /* in hand, without room yet */
	bool has_addr;
	bool first_done; /* SNAP_END was sent */
	bool is_full;
	bool again[_MD_FILE_MAX]; /* to be said once more, when what is being said is done */
	struct spsc_producer ring;
	struct lookups *lookups; /* NULL: no runtimes are asked */
	struct spsc_producer asks;
	struct spsc_consumer answers, requests;
	struct md_users users; /* of containers; where runtimes are asked */
	bool has_said_dropped; /* that some of those have no names */
	struct gate_ask ask;   /* without room yet */
	bool has_ask, is_armed;
	uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
};

static const char *const file_names[_MD_FILE_MAX] = {[MD_PASSWD] = "passwd", [MD_GROUP] = "group"};

/* The supervisor's index of a file is the text's, not our order. */
static int find_file(const struct stage *s, const char *name, unsigned *ret_index)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].role == FD_FILE && strcmp(s->fds[i].name, name) == 0) {
			*ret_index = s->fds[i].index;
			return s->fds[i].fd;
		}
	return -1;
}

static void read_list(struct metadata *m, unsigned i)
{
	int r = md_list_read(&m->lists[i], m->fds[i]);

	if (r < 0) {
		log_warning_errno(r, "read '%s', going on with what is known", file_names[i]);
		return;
	}
	if (m->lists[i].n_bad)
		log_warning("'%s' has %u lines that cannot be understood, passing over them",
			file_names[i], m->lists[i].n_bad);
	if (m->lists[i].is_cut)
		log_warning("'%s' is too large, the end of it is not used", file_names[i]);
}

static void open_containers(struct stage *s, struct metadata *m)
{
	md_container_init();
	m->containers_fd = stage_fd_get(s, FD_FILE, CTL_FILE_CONTAINERS);
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].role == FD_FILE && s->fds[i].index == CTL_FILE_CONTAINERS)
			m->containers_name = s->fds[i].name;
}

static int open_gate(struct stage *s, struct metadata *m)
{
	int r;

	if (stage_fd_get(s, FD_RING_IN_DATA, CTL_INDEX_GATE) < 0)
		return 0; /* no runtime is asked in this run */
	r = spsc_producer_attach(&m->asks, stage_fd_get(s, FD_RING_OUT_DATA, CTL_INDEX_GATE),
		stage_fd_get(s, FD_RING_OUT_CURSOR, CTL_INDEX_GATE),
		stage_fd_get(s, FD_WAKE_PEER, CTL_INDEX_GATE));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_DATA, CTL_INDEX_GATE, "ask ring");
	if (r < 0)
		return log_err_errno(r, "attach the ask ring");
	r = spsc_consumer_attach(&m->answers, stage_fd_get(s, FD_RING_IN_DATA, CTL_INDEX_GATE),
		stage_fd_get(s, FD_RING_IN_CURSOR, CTL_INDEX_GATE));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, CTL_INDEX_GATE, "answer ring");
	if (r < 0)
		return log_err_errno(r, "attach the answer ring");
	r = spsc_consumer_attach(&m->requests, stage_fd_get(s, FD_RING_IN_DATA, CTL_INDEX_LOOKUP),
		stage_fd_get(s, FD_RING_IN_CURSOR, CTL_INDEX_LOOKUP));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, CTL_INDEX_LOOKUP, "request ring");
	if (r < 0)
		return log_err_errno(r, "attach the request ring");
	if (md_users_init(&m->users) < 0)
		return log_err_errno(-ENOMEM, "allocate");
	m->lookups = lookups_new(s->settings, s->stats);
	return m->lookups ? 0 : log_err_errno(-ENOMEM, "allocate");
}

static int md_pre_seal(struct stage *s)
{
	struct metadata *m = calloc(1, sizeof(*m));

	if (!m)
		return log_err_errno(-ENOMEM, "allocate");
	s->priv = m;
#ifdef SAKER_TEST_HOOKS
	md_hooks_prepare();
#endif
	int r = spsc_producer_attach(&m->ring, stage_fd_get(s, FD_RING_OUT_DATA, 0),
		stage_fd_get(s, FD_RING_OUT_CURSOR, 0), stage_fd_get(s, FD_WAKE_PEER, 0));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_DATA, 0, "meta ring");
	if (r < 0)
		return log_err_errno(r, "attach the meta ring");
	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		unsigned index;

		if (md_list_init(&m->lists[i], i) < 0)
			return log_err_errno(-ENOMEM, "allocate");
		m->fds[i] = find_file(s, file_names[i], &index);
		if (m->fds[i] < 0 && s->settings->engine == ENGINE_BPF)
			log_warning("no file '%s', going on without", file_names[i]);
	}
	open_containers(s, m);
	r = open_gate(s, m);
	if (r < 0)
		return r;
	m->netlink.fd = stage_fd_get(s, FD_NETLINK, 0);
	return m->netlink.fd >= 0 ? stage_watch(s, m->netlink.fd, EPOLLIN) : 0;
}

/* What is read from here on is not trusted. */
static int md_post_seal(struct stage *s)
{
	struct metadata *m = s->priv;

	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		if (m->fds[i] >= 0)
			read_list(m, i);
	/* a file that cannot be used from the start is an error; later what was known stays */
	if (m->containers_fd >= 0 &&
		md_containers_read(&m->containers, m->containers_fd, m->containers_name) < 0)
		return -EINVAL;
	m->looked_ns = clock_mono_ns();
	if (m->netlink.fd >= 0) {
		int r = md_netlink_start(&m->netlink);
		if (r < 0)
			log_warning_errno(r, "ask for the host's addresses, going on without");
	}
	return 0;
}

/* One record into the ring. 0, or -EAGAIN: later. */
static int put(struct stage *s, struct metadata *m, uint16_t type, const void *body, size_t n)
{
	struct spsc_rec *rec = NULL;
	int r = spsc_reserve(&m->ring, sizeof(struct rec_head) + n, type, &rec);

	m->is_full = r == -EAGAIN;
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_CURSOR, 0, "position in the meta ring");
	if (r < 0)
		return r;
	struct rec_head *h = container_of(rec, struct rec_head, ring);
	h->seq = h->ord = 0;
	h->ts_ns = clock_epoch_ns();
	if (n)
		memcpy(h + 1, body, n);
	spsc_commit(&m->ring, sizeof(*h) + n);
	stats_add(&s->stats->records_out, 1);
	return 0;
}

static int send_lists(struct stage *s, struct metadata *m, int budget)
{
	int n = 0;

	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		struct md_list *l = &m->lists[i];
		int len;

		while (l->job != MD_IDLE && n < budget && (len = md_list_record(l, m->buf)) > 0) {
			if (put(s, m, REC_STATE, m->buf, (size_t)len) < 0)
				return n;
			md_list_taken(l);
			n++;
		}
	}
	return n;
}

static int send_containers(struct stage *s, struct metadata *m, int budget)
{
	int n = 0, len;

	while (n < budget && (len = md_containers_record(&m->containers, m->buf)) > 0) {
		if (put(s, m, REC_STATE, m->buf, (size_t)len) < 0)
			return n;
		md_containers_taken(&m->containers);
		n++;
	}
	return n;
}

static int send_lookups(struct stage *s, struct metadata *m, int budget)
{
	uint64_t now = clock_mono_ns();
	int n = 0, len;

	while (n < budget && (len = lookups_record(m->lookups, m->buf, now)) > 0) {
		if (put(s, m, REC_STATE, m->buf, (size_t)len) < 0)
			return n;
		lookups_told(m->lookups);
		n++;
	}
	return n;
}

static int take_answers(struct stage *s, struct metadata *m, int budget)
{
	uint64_t now = clock_mono_ns();
	int n = 0;

	while (n < budget && lookups_takes(m->lookups)) {
		const struct spsc_rec *rec;
		int r = spsc_next(&m->answers, &rec);

		if (r < 0 || (r > 0 && gate_answer_validate((const struct rec_head *)rec) < 0))
			stage_peer_fault(s, FD_RING_IN_DATA, CTL_INDEX_GATE,
				"answer ring or a record in it");
		if (r == 0)
			break;
		lookups_answer(m->lookups, (const struct gate_answer *)rec, now);
		n++;
	}
	if (n)
		spsc_consumer_commit(&m->answers);
	return n;
}

static int take_requests(struct stage *s, struct metadata *m, int budget)
{
	uint64_t now = clock_mono_ns();
	int n = 0;

	while (n < budget) {
		const struct spsc_rec *rec;
		int r = spsc_next(&m->requests, &rec);

		if (r < 0 || (r > 0 && lookup_validate((const struct rec_head *)rec) < 0))
			stage_peer_fault(s, FD_RING_IN_DATA, CTL_INDEX_LOOKUP,
				"request ring or a record in it");
		if (r == 0)
			break;
		const struct lookup *want = (const struct lookup *)rec;
		if (want->pid)
			md_users_want(&m->users, lookup_id(want), want->pid);
		else
			lookups_want(m->lookups, lookup_id(want), now);
		n++;
	}
	if (n)
		spsc_consumer_commit(&m->requests);
	return n;
}

static bool next_ask(struct metadata *m)
{
#ifdef SAKER_TEST_HOOKS
	if (md_hooks_ask(&m->ask))
		return true;
#endif
	return lookups_ask(m->lookups, &m->ask, clock_mono_ns());
}

static int send_asks(struct stage *s, struct metadata *m)
{
	int n = 0;

	while (n < BATCH_MAX && (m->has_ask || next_ask(m))) {
		struct spsc_rec *rec = NULL;
		struct gate_ask *to;
		int r = spsc_reserve(&m->asks, sizeof(m->ask), REC_GATE_ASK, &rec);

		m->has_ask = true;
		if (r == -EBADMSG)
			stage_peer_fault(
				s, FD_RING_OUT_CURSOR, CTL_INDEX_GATE, "position in the ask ring");
		if (r < 0)
			break;
		to = container_of(rec, struct gate_ask, h.ring);
		m->ask.h.ring = *rec;
		m->ask.h.ts_ns = clock_epoch_ns();
		*to = m->ask;
		spsc_commit(&m->asks, sizeof(*to));
		m->has_ask = false;
		n++;
	}
	spsc_publish(&m->asks);
	return n;
}

static int look_up_users(struct stage *s, struct metadata *m, int budget)
{
	uint32_t index, pid;
	const char *id;
	int n = 0, len;

	while (md_users_next(&m->users, clock_mono_ns(), &index, &pid, &id)) {
		int r = stage_send(s, CTL_NEED_SINK, FD_USERS, index, 0, pid, id, -1);

		if (r < 0)
			log_warning_errno(r, "ask for the users of container %s", id);
	}
	if (m->users.n_dropped && !m->has_said_dropped) {
		log_warning("users of some containers will have no names until later programs of "
			    "theirs are seen: too many at once, or no helper was free");
		m->has_said_dropped = true;
	}
	while (n < budget && (len = md_users_record(&m->users, m->buf)) > 0) {
		if (put(s, m, REC_STATE, m->buf, (size_t)len) < 0)
			return n;
		md_users_taken(&m->users);
		n++;
	}
	return n;
}

/* What was told goes out before more is taken in. */
static int look_up(struct stage *s, struct metadata *m)
{
	int n;

	if (!m->lookups)
		return 0;
	n = send_lookups(s, m, BATCH_MAX);
	n += take_requests(s, m, BATCH_MAX);
	n += take_answers(s, m, BATCH_MAX);
	n += send_lookups(s, m, BATCH_MAX);
	n += look_up_users(s, m, BATCH_MAX);
	return n + send_asks(s, m);
}

static int send_addrs(struct stage *s, struct metadata *m, int budget)
{
	int n = 0;

	while (n < budget) {
		if (!m->has_addr) {
			int r = md_netlink_next(&m->netlink, &m->addr);

			if (r < 0) {
				log_warning_errno(r, "receive addresses, going on without");
				(void)stage_watch(s, m->netlink.fd,
					0); /* a broken socket would wake us for ever */
				m->netlink.fd = -1;
				m->netlink.dump = MD_DUMP_NONE;
			}
			if (r <= 0)
				return n;
			m->has_addr = true;
		}
		int len = md_addr_record(&m->addr, m->buf);
		if (put(s, m, REC_STATE, m->buf, (size_t)len) < 0)
			return n;
		m->has_addr = false;
		n++;
	}
	return n;
}

/* The first list is complete: the collector waits for this before the first event. */
static int send_first_done(struct stage *s, struct metadata *m)
{
	static const uint64_t body[2];

	if (m->first_done || m->has_addr || m->netlink.dump != MD_DUMP_NONE || m->containers.at)
		return 0;
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		if (m->lists[i].job != MD_IDLE)
			return 0;
	if (put(s, m, REC_SNAP_END, body, sizeof(body)) < 0)
		return 0;
	m->first_done = true;
	return 1;
}

static void look_at_containers(struct stage *s, struct metadata *m)
{
	uint64_t now = m->looked_ns;

	if (!m->containers_name || m->containers.at ||
		(m->containers_asked_ns && now - m->containers_asked_ns < ASK_AGAIN_NS))
		return;
	if (!m->containers_asked_ns && !md_containers_is_stale(&m->containers, m->containers_fd))
		return;
	int r = stage_send(s, CTL_NEED_SINK, FD_FILE, CTL_FILE_CONTAINERS, 0, 0, "containers", -1);
	if (r < 0)
		log_warning_errno(r, "ask for '%s', trying again", m->containers_name);
	m->containers_asked_ns = now;
}

/* Once a second. */
static void look_at_files(struct stage *s, struct metadata *m)
{
	uint64_t now = clock_mono_ns();

	if (now - m->looked_ns < LOOK_NS)
		return;
	m->looked_ns = now;
	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		unsigned index;

		if (find_file(s, file_names[i], &index) < 0 || m->lists[i].job != MD_IDLE)
			continue;
		if (m->asked_ns[i] && now - m->asked_ns[i] < ASK_AGAIN_NS)
			continue;
		if (!m->asked_ns[i] && !md_list_is_stale(&m->lists[i], m->fds[i]))
			continue;
		int r = stage_send(s, CTL_NEED_SINK, FD_FILE, index, 0, 0, file_names[i], -1);
		if (r < 0)
			log_warning_errno(r, "ask for '%s', trying again", file_names[i]);
		m->asked_ns[i] = now;
	}
	look_at_containers(s, m);
}

static void say_again(struct metadata *m)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		if (!m->again[i] || m->lists[i].job != MD_IDLE)
			continue;
		m->again[i] = false;
		md_list_again(&m->lists[i]);
	}
}

static int md_turn(struct stage *s)
{
	struct metadata *m = s->priv;

	if (s->stopping)
		return -ENODATA;
	say_again(m);
	look_at_files(s, m);
	int n = send_lists(s, m, BATCH_MAX);
	n += send_containers(s, m, BATCH_MAX);
	n += look_up(s, m);
	n += send_addrs(s, m, BATCH_MAX);
	n += send_first_done(s, m);
	spsc_publish(&m->ring);
	return n;
}

static bool md_arm(struct stage *s)
{
	struct metadata *m = s->priv;

	/* what cannot be told now is not helped by more answers */
	if (!m->lookups || !lookups_takes(m->lookups))
		return true;
	if (!spsc_consumer_arm(&m->answers))
		return false;
	m->is_armed = spsc_consumer_arm(&m->requests);
	if (!m->is_armed)
		spsc_consumer_disarm(&m->answers);
	return m->is_armed;
}

static void md_disarm(struct stage *s)
{
	struct metadata *m = s->priv;

	if (m->is_armed) {
		spsc_consumer_disarm(&m->answers);
		spsc_consumer_disarm(&m->requests);
	}
	m->is_armed = false;
}

static int md_timeout_ms(struct stage *s)
{
	const struct metadata *m = s->priv;
	uint64_t now = clock_mono_ns();
	int ms = m->lookups ? lookups_timeout_ms(m->lookups, now) : -1,
	    users_ms = m->lookups ? md_users_timeout_ms(&m->users, now) : -1;

	ms = ms < 0 ? 1000 : MIN(ms, 1000);
	ms = users_ms < 0 ? ms : MIN(ms, users_ms);
	return m->is_full || m->has_ask ? MIN(ms, 10) : ms;
}

static int take_containers(struct metadata *m, int fd)
{
	_cleanup_close_ int own = fd;

	if (own < 0 || m->containers.at)
		return 0; /* as below */
	(void)fd_close(m->containers_fd);
	m->containers_fd = TAKE_FD(own);
	m->containers_asked_ns = 0;
	(void)md_containers_read(&m->containers, m->containers_fd,
		m->containers_name); /* logged: what was known stays */
	return 0;
}

/* A fresh descriptor of a file. */
static int take_file(struct stage *s, struct metadata *m, const struct ctl_msg *msg, int fd)
{
	if (msg->index == CTL_FILE_CONTAINERS && m->containers_name)
		return take_containers(m, fd);

	_cleanup_close_ int own = fd;

	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		unsigned index = 0;

		if (find_file(s, file_names[i], &index) < 0 || index != msg->index)
			continue;
		if (own < 0 || m->lists[i].job != MD_IDLE)
			return 0; /* not to be had now, or unasked: asked for again if the file has changed */
		int old = m->fds[i];
		m->fds[i] = TAKE_FD(own);
		for (size_t j = 0; j < s->n_fds; j++)
			if (s->fds[j].role == FD_FILE && s->fds[j].index == index)
				s->fds[j].fd = m->fds[i];
		(void)close(old);
		m->asked_ns[i] = 0;
		read_list(m, i);
		return 0;
	}
	return -EOPNOTSUPP;
}

/* A new tracker knows no interface, and what it will have to tell new evaluators it must have
 * heard itself. */
static int begin_again(struct metadata *m)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		m->again[i] = true;
	md_containers_again(&m->containers);
	if (m->lookups)
		lookups_again(m->lookups);
	return m->netlink.fd >= 0 ? md_netlink_start(&m->netlink) : 0;
}

static int md_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	if (msg->type == CTL_AGAIN && fd < 0)
		return begin_again(s->priv);
	if (msg->type == CTL_SINK && msg->role == FD_FILE)
		return take_file(s, s->priv, msg, fd);
	if (msg->type == CTL_SINK && msg->role == FD_USERS) {
		struct metadata *m = s->priv;

		md_users_answer(
			&m->users, msg->index, msg->value[0], msg->result, fd, clock_mono_ns());
		return 0;
	}
	if (fd >= 0)
		(void)close(fd);
	return msg->type == CTL_STOP ? 0 : -EOPNOTSUPP;
}

static int md_on_ready(struct stage *s, int fd, uint32_t events)
{
	(void)s;
	(void)fd;
	(void)events; /* the next turn reads the socket */
	return 0;
}

static const struct stage_ops ops = {
	.name = "metadata",
	/* Nothing beside the skeleton's list: pread and fstat of the files, sendmsg and recvmsg on the route socket are in it. */
	.seal = {.calls = NULL, .n_calls = 0},
	.pre_seal = md_pre_seal,
	.post_seal = md_post_seal,
	.turn = md_turn,
	.arm = md_arm,
	.disarm = md_disarm,
	.timeout_ms = md_timeout_ms,
	.on_ctl = md_on_ctl,
	.on_ready = md_on_ready,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
