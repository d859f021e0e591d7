/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a topic from its beginning, as tests want it: BROKERS TOPIC N SECONDS [brief]. A line of
 * JSON a message, or in brief its partition, its key and the number behind "event " in it; ends when
 * N different uuid headers (numbers) were seen and nothing more comes, or time is over. */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>

#define PARTITIONS_MAX 64

static rd_kafka_t *start(const char *brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512];
	rd_kafka_t *rk;

	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "group.id", "test", why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "enable.auto.commit", "false", why, sizeof(why)) ||
		rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why)))
		return NULL;
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (rk)
		(void)rd_kafka_poll_set_consumer(rk);
	return rk;
}

static int assign_all(rd_kafka_t *rk, const char *name)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
	const struct rd_kafka_metadata *md;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);

	if (rd_kafka_metadata(rk, 0, topic, &md, 10000) != 0 || md->topic_cnt != 1)
		return -EIO;
	for (int i = 0; i < md->topics[0].partition_cnt; i++)
		rd_kafka_topic_partition_list_add(list, name, i)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	return rd_kafka_assign(rk, list) ? -EIO : 0;
}

static json_t *headers_of(const rd_kafka_message_t *m)
{
	json_t *o = json_object();
	rd_kafka_headers_t *list;
	const char *name;
	const void *p;
	size_t n;

	if (rd_kafka_message_headers(m, &list) != 0)
		return o;
	for (size_t i = 0; rd_kafka_header_get_all(list, i, &name, &p, &n) == 0; i++)
		(void)json_object_set_new(o, name, json_stringn(p, n));
	return o;
}

static bool print_whole(const rd_kafka_message_t *m)
{
	static json_t *seen;
	json_t *headers = headers_of(m), *line;
	const char *uuid = json_string_value(json_object_get(headers, "uuid"));
	bool is_new;

	seen = seen ? seen : json_object();
	is_new = !json_object_get(seen, uuid ? uuid : "");
	(void)json_object_set_new(seen, uuid ? uuid : "", json_true());
	line = json_pack("{s:i, s:I, s:o, s:s%, s:s%}", "partition", m->partition, "offset",
		(json_int_t)m->offset, "headers", headers, "key", m->key ? m->key : "", m->key_len,
		"value", m->payload ? m->payload : "", m->len);
	if (line)
		(void)json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
	return is_new;
}

#define NUMBERS_MAX (1u << 26)

static bool print_brief(const rd_kafka_message_t *m)
{
	static uint8_t seen[NUMBERS_MAX / 8];
	const char *at = m->payload ? memmem(m->payload, m->len, "event ", 6) : NULL;
	unsigned long n = at ? strtoul(at + 6, NULL, 10) : NUMBERS_MAX; /* JSON: a quote ends it */
	bool is_new;

	if (n >= NUMBERS_MAX) {
		fprintf(stderr, "a message without its number\n");
		exit(1);
	}
	is_new = !(seen[n / 8] >> n % 8 & 1);
	seen[n / 8] |= (uint8_t)(1u << n % 8);
	printf("%d\t%.*s\t%lu\n", m->partition, (int)m->key_len, m->key ? (const char *)m->key : "",
		n);
	return is_new;
}

int main(int argc, char **argv)
{
	bool is_brief = argc == 6 && strcmp(argv[5], "brief") == 0,
	     is_right = argc == 5 || is_brief;
	rd_kafka_t *rk = is_right ? start(argv[1]) : NULL;
	time_t until = time(NULL) + (is_right ? atol(argv[4]) : 0);
	size_t wanted = is_right ? strtoul(argv[3], NULL, 10) : 0, n_seen = 0;

	if (!rk || assign_all(rk, argv[2]) < 0) {
		fprintf(stderr, "usage: kafka-read BROKERS TOPIC N SECONDS [brief], or the broker "
				"does not answer\n");
		return 1;
	}
	for (;;) {
		bool has_all = n_seen >= wanted;
		rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, has_all ? 1000 : 200);

		if ((!m && has_all) || time(NULL) > until)
			break;
		if (!m || m->err) {
			if (m)
				rd_kafka_message_destroy(m);
			continue;
		}
		n_seen += is_brief ? print_brief(m) : print_whole(m);
		rd_kafka_message_destroy(m);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
