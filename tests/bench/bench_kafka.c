/* SPDX-License-Identifier: Apache-2.0 */
/* A bare librdkafka producer: the same lines, keys, headers and settings as the emitter's, from
 * memory, in one loop that does nothing else, as many in flight as the library takes. Prints one
 * JSON object. Arguments: brokers, topic, file
 * of lines, number of messages, NAME=VALUE ... (properties). */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <librdkafka/rdkafka.h>

#define LINES_MAX 200000

static char *lines[LINES_MAX];
static size_t lens[LINES_MAX];
static unsigned n_lines;
static unsigned long n_done, n_failed;

static double now_s(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	(void)opaque;
	n_done++;
	if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && n_failed++ == 0)
		(void)fprintf(stderr, "first failure: %s\n", rd_kafka_err2str(m->err));
}

static void read_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t cap = 0;
	ssize_t n;

	if (!f)
		die(path, strerror(errno));
	while (n_lines < LINES_MAX && (n = getline(&lines[n_lines], &cap, f)) > 0) {
		lens[n_lines++] = (size_t)n - 1;
		cap = 0;
	}
	(void)fclose(f);
	if (!n_lines)
		die(path, "no lines");
}

static rd_kafka_t *make(char **properties, int n, const char *brokers)
{
	static const char *const ours[][2] = {{"client.id", "saker"},
		{"enable.idempotence", "true"}, {"acks", "all"}, {"message.timeout.ms", "0"}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512] = "";
	rd_kafka_t *rk;

	for (unsigned i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		(void)rd_kafka_conf_set(conf, ours[i][0], ours[i][1], why, sizeof(why));
	(void)rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
	for (int i = 0; i < n; i++) {
		char *eq = strchr(properties[i], '=');

		if (!eq)
			die(properties[i], "NAME=VALUE is wanted");
		*eq = 0;
		if (rd_kafka_conf_set(conf, properties[i], eq + 1, why, sizeof(why)))
			die(properties[i], why);
	}
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!rk)
		die("producer", why);
	return rk;
}

static int produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, unsigned long n)
{
	static const char *const names[] = {"uuid", "rule", "priority", "format", "host"};
	static const char *const values[] = {
		"0194e4a0-0000-8000-8000-000000000000", "Storm", "Warning", "json", "host.example"};
	rd_kafka_headers_t *h = rd_kafka_headers_new(5);
	unsigned i = (unsigned)(n % n_lines);
	char key[16];
	int r;

	(void)snprintf(key, sizeof(key), "proc%lu", n % 32);
	for (unsigned k = 0; k < 5; k++)
		(void)rd_kafka_header_add(h, names[k], -1, values[k], -1);
	r = rd_kafka_producev(rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_VALUE(lines[i], lens[i]),
		RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
	if (r)
		rd_kafka_headers_destroy(h);
	return r;
}

int main(int argc, char **argv)
{
	unsigned long n_wanted, n = 0;
	double from, cpu_from;
	rd_kafka_topic_t *topic;
	rd_kafka_t *rk;

	if (argc < 5)
		die("usage", "BROKERS TOPIC LINES NUMBER [NAME=VALUE ...]");
	read_lines(argv[3]);
	n_wanted = strtoul(argv[4], NULL, 10);
	rk = make(argv + 5, argc - 5, argv[1]);
	topic = rd_kafka_topic_new(rk, argv[2], NULL);
	if (!topic)
		die("topic", "cannot be made");
	/* the first one waits for the connection and the topic */
	while (n_done == 0) {
		if (n == 0)
			n += produce(rk, topic, 0) == 0;
		(void)rd_kafka_poll(rk, 10);
	}
	n = n_done = 0;
	from = now_s(CLOCK_MONOTONIC);
	cpu_from = now_s(CLOCK_PROCESS_CPUTIME_ID);
	while (n_done < n_wanted) {
		while (n < n_wanted && produce(rk, topic, n) == 0)
			n++;
		(void)rd_kafka_poll(rk, 1);
	}
	from = now_s(CLOCK_MONOTONIC) - from;
	(void)printf(
		"{\"per_s\": %.0f, \"per_cpu_s\": %.0f, \"failed\": %lu, \"line_bytes\": %zu}\n",
		(double)n_wanted / from,
		(double)n_wanted / (now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_from), n_failed, lens[0]);
	return n_failed != 0;
}
