/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's mock cluster with errors in store for who produces: prints its bootstrap servers, then
 * serves until its standard input ends. Arguments: topic, ERROR[xN] ... (names as the library has
 * them, without RD_KAFKA_RESP_ERR_; each is the answer to N requests, in that order; OK: none). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#define BROKERS 3
#define PARTITIONS 4
#define PRODUCE 0 /* its number in the protocol */
#define ERRORS_MAX 1024

static rd_kafka_resp_err_t error_of(const char *name, size_t n)
{
	const struct rd_kafka_err_desc *all;
	size_t n_all;

	if (n == 2 && !strncmp(name, "OK", 2))
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_get_err_descs(&all, &n_all);
	for (size_t i = 0; i < n_all; i++)
		if (all[i].name && strlen(all[i].name) == n && !strncmp(all[i].name, name, n))
			return all[i].code;
	(void)fprintf(stderr, "unknown error '%s'\n", name);
	exit(1);
}

int main(int argc, char **argv)
{
	rd_kafka_resp_err_t errors[ERRORS_MAX];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_mock_cluster_t *cluster;
	rd_kafka_t *rk;
	char why[512];
	size_t n = 0;

	if (argc < 2)
		return 1;
	(void)rd_kafka_conf_set(conf, "log_level", "0", why, sizeof(why));
	rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	cluster = rk ? rd_kafka_mock_cluster_new(rk, BROKERS) : NULL;
	if (!cluster || rd_kafka_mock_topic_create(cluster, argv[1], PARTITIONS, BROKERS))
		return 1;
	for (int i = 2; i < argc; i++) {
		const char *x = strrchr(argv[i], 'x');
		size_t len = x ? (size_t)(x - argv[i]) : strlen(argv[i]);

		for (long k = x ? atol(x + 1) : 1; k > 0 && n < ERRORS_MAX; k--)
			errors[n++] = error_of(argv[i], len);
	}
	rd_kafka_mock_push_request_errors_array(cluster, PRODUCE, n, errors);
	(void)printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
	(void)fflush(stdout);
	while (getchar() != EOF)
		;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(rk);
	return 0;
}
