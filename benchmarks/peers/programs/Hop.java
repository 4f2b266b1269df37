import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;

/** How is the hop written with Kafka Streams, exactly once? */
public final class Hop {
    public record Line(
            long household_id,
            long store_id,
            long basket_id,
            long product_id,
            int quantity,
            int sales_cents,
            int discount_cents,
            Integer paid_cents) {
        Line priced() {
            return new Line(
                    household_id, store_id, basket_id, product_id, quantity,
                    sales_cents, discount_cents, sales_cents - discount_cents);
        }
    }

    private static final ObjectReader READER = new ObjectMapper().readerFor(Line.class);
    private static final ObjectWriter WRITER = new ObjectMapper().writerFor(Line.class);

    private static byte[] price(byte[] line) {
        try {
            return WRITER.writeValueAsBytes(READER.<Line>readValue(line).priced());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    public static void main(String[] arguments) {
        Properties told = new Properties();
        told.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        told.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
        told.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[4]);
        told.put(StreamsConfig.STATE_DIR_CONFIG, arguments[5]);
        told.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        told.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        told.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        // As seldom as the other peers here; the default under exactly once is 100.
        told.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        told.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 1_000_000);
        told.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        builder.<byte[], byte[]>stream(arguments[1]).mapValues(Hop::price).to(arguments[2]);
        KafkaStreams streams = new KafkaStreams(builder.build(), told);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
