// sv2::TemplateClient with its host, talking to a sv2::TemplateProvider in memory, over Noise.

#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;
using Event = sv2::TemplateClient::Event;

constexpr std::uint32_t regtest_nbits = 0x207fffff;
constexpr std::uint64_t connection = 1;

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

// What stays of an event when the next one is taken.
struct Seen {
    std::string name;
    std::uint64_t template_id = 0;
    std::vector<std::vector<std::uint8_t>> transactions;
};

// A node and its provider.
struct Node {
    sv2::AuthorityKey authority;
    sv2::TemplateProvider provider;
    std::vector<sv2::TemplateEvent> events;
    std::vector<std::uint8_t> coinbase;  // of the last block found

    static Node start() {
        auto authority = take(sv2::SecretKey::generate());
        const auto server = take(sv2::SecretKey::generate());
        const auto certificate =
            take(sv2::sign_certificate(authority, take(server.public_key()), std::chrono::sys_seconds{1699999000s},
                                       std::chrono::sys_seconds{1700009000s}));
        const auto identity = take(sv2::Identity::create(server, certificate));
        return {take(sv2::AuthorityKey::of(authority)), take(sv2::TemplateProvider::create(identity)), {}, {}};
    }
};

// A pool with one client.
struct Pool {
    sv2::TemplateClient client;
    sv2_time now{1000, 1700000000};
    std::vector<Seen> seen;
    std::vector<std::uint8_t> written;
    std::string closed;
    bool may_retry = false;

    explicit Pool(sv2::TemplateClient made) : client{std::move(made)} {}

    void drain() {
        while (const auto event = client.next_event()) {
            std::visit(*this, *event);
        }
        CHECK(!client.failed());
    }

    void operator()(const sv2::TemplateClient::Ready&) { seen.push_back({"ready", 0, {}}); }
    void operator()(const sv2::TemplateClient::NewTemplate& e) {
        seen.push_back({e.future ? "future" : "update", e.template_id, {}});
    }
    void operator()(const sv2::TemplateClient::NewTip& e) { seen.push_back({"tip", e.tip.template_id, {}}); }
    void operator()(const sv2::TemplateClient::TipWithoutTemplate& e) {
        seen.push_back({"tip without template", e.tip.template_id, {}});
    }
    void operator()(const sv2::TemplateClient::TemplateExpired& e) { seen.push_back({"expired", e.template_id, {}}); }
    void operator()(const sv2::TemplateClient::TransactionData& e) {
        Seen data{"transactions", e.data.template_id, {}};
        for (const sv2_bytes& transaction : sv2::list(e.data.transaction_list)) {
            const auto bytes = sv2::view(transaction);
            data.transactions.emplace_back(bytes.begin(), bytes.end());
        }
        seen.push_back(std::move(data));
    }
    void operator()(const sv2::TemplateClient::TransactionDataError& e) {
        seen.push_back({std::to_string(e.cause) + " " + std::string{e.error_code}, e.template_id, {}});
    }
    void operator()(const sv2::TemplateClient::SolutionLost& e) {
        seen.push_back({e.may_have_arrived ? "unconfirmed" : "lost", e.solution.template_id, {}});
    }
    void operator()(const sv2::TemplateClient::Writable&) {
        for (auto out = client.output(); !out.empty(); out = client.output()) {
            written.insert(written.end(), out.begin(), out.end());
            CHECK(client.sent(out.size(), now).ok());
        }
    }
    void operator()(const sv2::TemplateClient::Close& e) {
        closed = e.reason;
        may_retry = e.may_retry;
    }

    // What was seen since somebody looked, with the names of the events only.
    std::string take_names() {
        std::string names;
        for (const Seen& each : std::exchange(seen, {})) {
            names += names.empty() ? each.name : ", " + each.name;
        }
        return names;
    }
};

Pool make_pool(const Node& node) {
    auto options = sv2::template_client_options();
    options.has_constraints = 1;
    options.coinbase_output_max_additional_size = 1000;
    const std::string vendor = "tests";
    options.vendor = sv2::str(vendor);
    return Pool{take(sv2::TemplateClient::create(node.authority, options))};
}

// Moves bytes both ways until nobody has more to say.
void talk(Node& node, Pool& pool) {
    for (bool quiet = false; !quiet;) {
        pool.drain();
        auto bytes = std::exchange(pool.written, {});
        quiet = bytes.empty();
        if (!quiet) {
            CHECK(node.provider.receive(connection, bytes, pool.now).ok());
        }
        while (const auto event = node.provider.next_event()) {
            if (const auto* found = std::get_if<sv2::SubmitBlock>(&*event)) {
                const auto coinbase = sv2::view(found->solution.coinbase_tx);
                node.coinbase.assign(coinbase.begin(), coinbase.end());
            }
            if (!std::holds_alternative<sv2::Writable>(*event)) {
                node.events.push_back(*event);
                continue;
            }
            quiet = false;
            for (auto out = node.provider.output(connection); !out.empty(); out = node.provider.output(connection)) {
                std::vector<std::uint8_t> copy(out.begin(), out.end());
                CHECK(node.provider.sent(connection, copy.size(), pool.now).ok());
                if (pool.client.is_connected()) {
                    CHECK(pool.client.receive(copy, pool.now).ok());
                }
            }
        }
    }
}

void connect(Node& node, Pool& pool) {
    node.provider.disconnect(connection);
    CHECK(node.provider.connect(connection, std::nullopt, pool.now).ok());
    CHECK(pool.client.connect(pool.now).ok());
    talk(node, pool);
}

// A template on the tip whose hash has these bytes, with a witness commitment.
std::uint64_t offer(Node& node, Pool& pool, std::uint8_t tip, std::uint64_t value) {
    sv2_constraint_key key;
    CHECK(sv2_constraint_key_from_outputs(1000, 0, &key) == SV2_OK);
    const std::array<std::uint8_t, 2> prefix{1, static_cast<std::uint8_t>(100 + tip)};
    std::vector<std::uint8_t> outputs(8, 0);  // no value
    outputs.insert(outputs.end(), {38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed});
    outputs.resize(outputs.size() + 32, 0xcc);
    std::vector<sv2_u256> path(2);
    std::memset(path.data(), 0x11, sizeof(sv2_u256) * path.size());

    sv2_template made = sv2::make_template();
    made.version = 0x20000000;
    made.header_timestamp = 1700000000;
    made.nbits = regtest_nbits;
    std::memset(made.prev_hash.bytes, tip, sizeof made.prev_hash.bytes);
    made.coinbase_tx_version = 2;
    made.coinbase_tx_outputs_count = 1;
    made.coinbase_tx_value_remaining = value;
    made.coinbase_prefix = sv2::bytes(prefix);
    made.coinbase_tx_outputs = sv2::bytes(outputs);
    made.merkle_path = sv2::list(path);
    const auto id = take(node.provider.template_ready(key, made, pool.now));
    talk(node, pool);
    return id;
}

// Mines on the active template and submits what is found; gives the block's hash, and whether it was sent.
std::pair<sv2_u256, bool> find_block(Pool& pool) {
    const std::uint64_t id = take(pool.client.active_template());
    const sv2_new_template work = take(pool.client.get_template(id));
    const sv2_set_new_prev_hash_template tip = take(pool.client.tip(id));
    const std::array<std::uint8_t, 1> anyone{0x51};
    const std::array outputs{sv2_transaction_output{work.coinbase_tx_value_remaining, sv2::bytes(anyone)}};
    const std::array<std::uint8_t, 4> script{'t', 'e', 's', 't'};
    const auto coinbase = take(pool.client.coinbase(id, script, outputs));

    sv2_submit_solution solution{id, work.version, tip.header_timestamp, 0, sv2::bytes(coinbase)};
    sv2_u256 hash;
    for (;; ++solution.header_nonce) {
        const sv2_block_header header = take(pool.client.header(solution));
        CHECK(sv2_block_header_hash(&header, &hash) == SV2_OK);
        if (sv2_target_is_met(&tip.target, &hash)) {
            break;
        }
    }
    const bool sent = take(pool.client.submit_solution(solution, pool.now));
    return {hash, sent};
}

// The hash of the only block that the node was given.
std::optional<std::string> found_block(Node& node) {
    std::optional<std::string> hash;
    for (const auto& event : std::exchange(node.events, {})) {
        if (const auto* found = std::get_if<sv2::SubmitBlock>(&event)) {
            CHECK(!hash);
            hash = sv2::to_string(found->solution.block_hash);
        }
    }
    return hash;
}

void from_the_handshake_to_a_block() {
    Node node = Node::start();
    Pool pool = make_pool(node);
    CHECK(!pool.client.is_connected() && !pool.client.last_heard());
    connect(node, pool);
    CHECK_EQUAL(pool.take_names(), "ready");
    CHECK(pool.client.is_ready() && pool.client.is_authenticated() && !pool.client.is_serving());
    CHECK_EQUAL(pool.client.last_heard()->monotonic_ms, pool.now.monotonic_ms);
    CHECK(pool.client.active_template().status() == SV2_NOT_FOUND);

    const auto first = offer(node, pool, 1, 5000);
    CHECK_EQUAL(pool.take_names(), "future, tip");
    CHECK(pool.client.is_serving());
    CHECK_EQUAL(take(pool.client.active_template()), first);
    const sv2_new_template shown = take(pool.client.get_template(first));
    CHECK(shown.future_template == 0 && shown.coinbase_tx_value_remaining == 5000);
    CHECK_EQUAL(sv2::list(shown.merkle_path).size(), 2u);
    CHECK_EQUAL(sv2::view(shown.coinbase_prefix)[1], 101);

    pool.now.monotonic_ms += 6000;
    const auto second = offer(node, pool, 1, 9000);
    CHECK_EQUAL(pool.take_names(), "update");
    CHECK_EQUAL(take(pool.client.active_template()), second);

    node.events.clear();
    const auto [hash, sent] = find_block(pool);
    CHECK(sent);
    talk(node, pool);
    CHECK_EQUAL(found_block(node).value_or(""), sv2::to_string(hash));
    sv2_u256 reserved_value;
    CHECK(sv2_coinbase_reserved_value(sv2::bytes(node.coinbase), &reserved_value) == SV2_OK);

    offer(node, pool, 2, 5000);
    CHECK_EQUAL(pool.take_names(), "future, tip");
    pool.now.monotonic_ms += 10001;
    CHECK(pool.client.tick(pool.now).ok());
    pool.drain();
    CHECK_EQUAL(pool.take_names(), "expired, expired");
    CHECK(pool.client.get_template(first).status() == SV2_NOT_FOUND);
}

void transactions_are_asked_for_and_seen_as_they_are() {
    Node node = Node::start();
    Pool pool = make_pool(node);
    connect(node, pool);
    const auto id = offer(node, pool, 1, 5000);
    pool.take_names();
    CHECK(pool.client.request_transaction_data(id + 1, pool.now) == SV2_NOT_FOUND);
    CHECK_EQUAL(std::string_view{pool.client.error()}, "there is no such template");

    CHECK(pool.client.request_transaction_data(id, pool.now).ok());
    talk(node, pool);
    const std::vector<std::uint8_t> small{1, 2, 3}, large(100'000, 0xab);
    const std::array transactions{sv2::bytes(small), sv2::bytes(large)};
    CHECK(node.provider.transactions_ready(id, transactions, pool.now).ok());
    talk(node, pool);
    CHECK_EQUAL(pool.seen.size(), 1u);
    CHECK(pool.seen[0].template_id == id && pool.seen[0].transactions == (std::vector{small, large}));
    pool.take_names();

    const auto other = offer(node, pool, 2, 5000);
    pool.take_names();
    CHECK(pool.client.request_transaction_data(other, pool.now).ok());
    talk(node, pool);
    CHECK(node.provider.transactions_ready(other, std::nullopt, pool.now).ok());
    talk(node, pool);
    CHECK_EQUAL(pool.take_names(), "1 template-id-not-found");
    CHECK(pool.client.request_transaction_data(other, pool.now).ok());
    pool.client.disconnected(pool.now);
    pool.drain();
    CHECK_EQUAL(pool.take_names(), "3 ");
}

void a_block_found_without_a_connection_is_sent_over_the_next_one() {
    Node node = Node::start();
    Pool pool = make_pool(node);
    connect(node, pool);
    offer(node, pool, 1, 5000);
    pool.client.disconnected(pool.now);
    pool.drain();
    CHECK(!pool.client.is_serving());
    const auto [hash, sent] = find_block(pool);
    CHECK(!sent && pool.client.pending_solutions() == 1);
    node.events.clear();
    connect(node, pool);
    CHECK_EQUAL(found_block(node).value_or(""), sv2::to_string(hash));
}

void a_block_that_nobody_takes_is_given_back() {
    Node node = Node::start();
    Pool pool = make_pool(node);
    connect(node, pool);
    const auto id = offer(node, pool, 1, 5000);
    pool.client.disconnected(pool.now);
    find_block(pool);
    pool.drain();
    pool.take_names();
    CHECK(pool.client.next_deadline().has_value());
    pool.now.monotonic_ms += 600000;
    CHECK(pool.client.tick(pool.now).ok());
    pool.drain();
    CHECK_EQUAL(pool.seen.size(), 1u);
    CHECK_EQUAL(pool.seen[0].template_id, id);
    CHECK_EQUAL(pool.take_names(), "lost");
}

void a_block_that_was_written_is_sent_again_until_it_is_the_tip_or_its_time_is_over() {
    Node node = Node::start();
    Pool pool = make_pool(node);
    connect(node, pool);
    const auto id = offer(node, pool, 1, 5000);
    const auto [hash, sent] = find_block(pool);
    CHECK(sent);
    pool.drain();
    CHECK(!pool.written.empty());

    // The path is dead, which the socket finds out minutes later.
    pool.written.clear();
    pool.now.monotonic_ms += 300000;
    CHECK(pool.client.tick(pool.now).ok());
    pool.client.disconnected(pool.now);
    pool.drain();
    node.events.clear();
    connect(node, pool);
    CHECK_EQUAL(found_block(node).value_or(""), sv2::to_string(hash));

    CHECK_EQUAL(pool.client.pending_solutions(), 1u);
    pool.take_names();
    pool.now.monotonic_ms += 300000;
    CHECK(pool.client.tick(pool.now).ok());
    pool.drain();
    CHECK_EQUAL(pool.seen.size(), 1u);
    CHECK_EQUAL(pool.seen[0].template_id, id);
    CHECK_EQUAL(pool.take_names(), "unconfirmed");
}

void closing_says_why_and_whether_to_try_again() {
    Node node = Node::start();
    const Node stranger = Node::start();
    Pool pool = make_pool(stranger);
    connect(node, pool);
    CHECK(!pool.client.is_connected() && !pool.may_retry);
    CHECK(pool.closed.find("certificate") != std::string::npos);

    Pool patient = make_pool(node);
    connect(node, patient);
    patient.now.monotonic_ms += 60000;
    CHECK(patient.client.tick(patient.now).ok());
    patient.drain();
    CHECK_EQUAL(patient.closed, "no template in time");
    CHECK(patient.may_retry);
}

void a_client_is_made_for_whom_it_is_told_to_trust() {
    CHECK(sv2::TemplateClient::plaintext() && sv2::TemplateClient::unauthenticated());
    CHECK(sv2::TemplateClient::create({}).status() == SV2_ERROR_KEY);
    auto options = sv2::template_client_options();
    const std::string too_long(256, 'x');
    options.device_id = sv2::str(too_long);
    CHECK(sv2::TemplateClient::plaintext(options).status() == SV2_ERROR_ARGUMENT);
    options.device_id = sv2::str("\xff");
    CHECK(sv2::TemplateClient::plaintext(options).status() == SV2_ERROR_ARGUMENT);

    auto client = take(sv2::TemplateClient::plaintext());
    CHECK(client.set_constraints(1'000'000, 0, {}) == SV2_ERROR_ARGUMENT);
    CHECK(client.connect({}).ok() && client.connect({}) == SV2_ERROR_STATE);
    const auto moved = std::move(client);
    CHECK(client.connect({}) == SV2_ERROR_NULL && moved.is_connected());
}

}  // namespace

int main() {
    return run({
        {"from the handshake to a block", from_the_handshake_to_a_block},
        {"transactions are asked for and seen as they are", transactions_are_asked_for_and_seen_as_they_are},
        {"a block found without a connection is sent over the next one",
         a_block_found_without_a_connection_is_sent_over_the_next_one},
        {"a block that nobody takes is given back", a_block_that_nobody_takes_is_given_back},
        {"a block that was written is sent again until it is the tip or its time is over",
         a_block_that_was_written_is_sent_again_until_it_is_the_tip_or_its_time_is_over},
        {"closing says why and whether to try again", closing_says_why_and_whether_to_try_again},
        {"a client is made for whom it is told to trust", a_client_is_made_for_whom_it_is_told_to_trust},
    });
}
