#include "fleet.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <utility>

namespace {

using asio::ip::tcp;

// FNV-1a: contents are only compared with each other.
class Hasher {
public:
    Hasher& add(sv2::Bytes bytes) {
        for (const std::uint8_t byte : bytes) value_ = (value_ ^ byte) * 1099511628211U;
        return *this;
    }
    Hasher& add(std::uint32_t number) {
        for (int shift = 0; shift < 32; shift += 8) value_ = (value_ ^ (number >> shift & 0xff)) * 1099511628211U;
        return *this;
    }
    std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 14695981039346656037U;
};

}  // namespace

struct Fleet::Miner {
    tcp::socket socket;
    sv2::Connection connection;
    bool has_channel = false, has_job = false, has_prev_hash = false, is_ready = false, is_lost = false;
    bool waiting_to_write = false;
    std::uint64_t sum = 0;  // of the contents of what must reach everybody
};

Fleet::Fleet(asio::io_context& context, host::ServerAddress pool) : context_(context), pool_(std::move(pool)) {}

Fleet::~Fleet() = default;

void Fleet::open(std::size_t connections, double per_second, int receive_buffer) {
    wanted_ = connections;
    receive_buffer_ = receive_buffer;
    pause_ = std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 / per_second)};
    miners_.reserve(connections);
    ramp_.expires_after(pause_);
    open_next();
}

void Fleet::open_next() {
    while (miners_.size() < wanted_ && ramp_.expiry() <= Clock::now()) {
        auto connection = sv2::Connection::initiator({.authority_key = pool_.authority});
        if (!connection) throw std::runtime_error(connection.status().message());
        miners_.push_back(std::unique_ptr<Miner>{new Miner{tcp::socket{context_}, *std::move(connection)}});
        Miner& miner = *miners_.back();
        const tcp::endpoint at{asio::ip::make_address(pool_.at.host), pool_.at.port};
        miner.socket.open(at.protocol());
        if (receive_buffer_ > 0) miner.socket.set_option(asio::socket_base::receive_buffer_size{receive_buffer_});
        miner.socket.async_connect(at, [this, &miner](asio::error_code error) {
            if (error) return lose(miner, "cannot connect: " + error.message());
            asio::error_code ignored;
            miner.socket.non_blocking(true, ignored);
            miner.socket.set_option(tcp::no_delay{true}, ignored);
            greet(miner);
            receive(miner);
        });
        ramp_.expires_at(ramp_.expiry() + pause_);
    }
    if (miners_.size() == wanted_) return;
    ramp_.async_wait([this](asio::error_code error) {
        if (!error) open_next();
    });
}

void Fleet::greet(Miner& miner) {
    sv2_setup_connection setup{};
    setup.protocol = SV2_PROTOCOL_MINING;
    setup.min_version = setup.max_version = 2;
    setup.endpoint_host = sv2::str(pool_.at.host);
    setup.endpoint_port = pool_.at.port;
    setup.vendor = sv2::str("libsv2");
    setup.hardware_version = sv2::str("load test");
    if (!miner.connection.send(setup).ok()) return lose(miner, miner.connection.error());
    write(miner);
}

void Fleet::open_channel(Miner& miner) {
    // No hash rate: there is no easier target to come down to, so that nothing but broadcasts is sent.
    sv2_open_extended_mining_channel open{};
    open.request_id = 1;
    open.user_identity = sv2::str("load.test");
    std::ranges::fill(open.max_target.bytes, std::uint8_t{0xff});
    open.min_extranonce_size = 4;
    if (!miner.connection.send(open).ok()) lose(miner, miner.connection.error());
}

void Fleet::stop_reading() {
    reads_ = false;
    for (const auto& each : miners_) {
        Miner& miner = *each;
        if (miner.is_lost) continue;
        miner.socket.cancel();
        // What is unread stays unread: only the end is waited for.
        miner.socket.async_wait(tcp::socket::wait_error, [this, &miner](asio::error_code) { lose(miner, "closed by the pool"); });
    }
}

void Fleet::write(Miner& miner) {
    if (miner.waiting_to_write || miner.is_lost) return;
    for (sv2::Bytes out = miner.connection.output(); !out.empty(); out = miner.connection.output()) {
        asio::error_code error;
        const std::size_t n = miner.socket.write_some(asio::buffer(out.data(), out.size()), error);
        if (error == asio::error::would_block) {
            miner.waiting_to_write = true;
            miner.socket.async_wait(tcp::socket::wait_write, [this, &miner](asio::error_code) {
                miner.waiting_to_write = false;
                write(miner);
            });
            return;
        }
        if (error) return lose(miner, error.message());
        if (!miner.connection.sent(n).ok()) return lose(miner, miner.connection.error());
    }
}

void Fleet::receive(Miner& miner) {
    miner.socket.async_wait(tcp::socket::wait_read, [this, &miner](asio::error_code error) {
        if (miner.is_lost || !reads_) return;
        static std::array<std::uint8_t, 64 << 10> buffer;  // the loop has one thread
        std::size_t n = 0;
        if (!error) n = miner.socket.read_some(asio::buffer(buffer), error);
        if (error && error != asio::error::would_block) return lose(miner, error.message());
        bytes_received_ += n;
        now_ = Clock::now();
        const sv2_time now = sv2::now();
        std::span<std::uint8_t> bytes{buffer.data(), n};
        sv2::Message message;
        for (;;) {
            const sv2::Status status = miner.connection.next_from(bytes, now, message);
            if (status.is_error()) return lose(miner, miner.connection.error());
            if (!status.ok()) break;
            handle(miner, message);
            if (miner.is_lost) return;
        }
        write(miner);
        receive(miner);
    });
}

void Fleet::handle(Miner& miner, const sv2::Message& message) {
    const auto job = [&](std::uint64_t contents) {
        miner.has_job = true;
        note(miner, contents, nullptr);
    };
    sv2::visit(message, sv2::overloaded{
                            [&](const sv2_setup_connection_success&) { open_channel(miner); },
                            [&](const sv2_open_extended_mining_channel_success&) { miner.has_channel = true; },
                            [&](const sv2_new_extended_mining_job& m) {
                                Hasher hasher;
                                hasher.add(m.version).add(sv2::view(m.coinbase_tx_prefix)).add(sv2::view(m.coinbase_tx_suffix));
                                for (const sv2_u256& hash : sv2::list(m.merkle_path)) hasher.add(hash.bytes);
                                job(hasher.value());
                            },
                            [&](const sv2_set_new_prev_hash& m) {
                                miner.has_prev_hash = true;
                                note(miner, Hasher{}.add(m.prev_hash.bytes).value(), &m.prev_hash);
                            },
                            [&](const sv2_open_mining_channel_error& m) {
                                lose(miner, "no channel: " + std::string{sv2::text(m.error_code)});
                            },
                            [&](const sv2_setup_connection_error& m) {
                                lose(miner, "refused: " + std::string{sv2::text(m.error_code)});
                            },
                            [&](const sv2_reconnect&) { lose(miner, "sent away"); },
                            [](const auto&) {},
                        });
    if (!miner.is_ready && miner.has_channel && miner.has_job && miner.has_prev_hash) {
        miner.is_ready = true;
        ++ready_;
    }
}

void Fleet::note(Miner& miner, std::uint64_t contents, const sv2_u256* prev_hash) {
    Broadcast& of = broadcasts_[contents];
    if (of.received++ == 0) {
        of.is_prev_hash = prev_hash != nullptr;
        if (prev_hash) of.prev_hash = *prev_hash;
        of.first = now_;
    }
    of.last = now_;
    if (of.first >= watching_since_) miner.sum += contents;
}

std::size_t Fleet::miners_with_gaps() const {
    std::uint64_t all = 0;
    for (const auto& [contents, of] : broadcasts_) {
        if (of.first >= watching_since_) all += contents;
    }
    return static_cast<std::size_t>(
        std::ranges::count_if(miners_, [&](const auto& miner) { return miner->is_lost || miner->sum != all; }));
}

void Fleet::lose(Miner& miner, const std::string& why) {
    if (miner.is_lost) return;
    miner.is_lost = true;
    if (miner.is_ready) --ready_;
    ++lost_;
    if (why_lost_.empty()) why_lost_ = why;
    asio::error_code ignored;
    miner.socket.close(ignored);
}
