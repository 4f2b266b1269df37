# What apache/kafka is to docker-compose.yml: the same jars, laid out in the same places, configured
# from KAFKA_… by the same class.
FROM stand-in-debian
COPY java/ /opt/java/
COPY jars/ /opt/kafka/libs/
COPY kafka-run /etc/kafka/docker/run
RUN useradd --create-home appuser \
    && mkdir -p /opt/kafka/config /mnt/shared/config /var/lib/kafka/data \
    && chown -R appuser /opt/kafka/config /var/lib/kafka
USER appuser
VOLUME /var/lib/kafka/data
CMD ["/etc/kafka/docker/run"]
