#include "sv2-miner/hasher.hpp"

#include <chrono>
#include <cstring>
#include <utility>

namespace {

// Nonces at a time: some milliseconds of work, after which a new job is looked at.
constexpr std::uint32_t piece = 1U << 14U;
// Shares that may wait to be sent. With a target that everything meets there would be no end of them.
constexpr int most_waiting = 256;

}  // namespace

Hasher::Hasher(std::size_t miners, unsigned threads, std::function<void(FoundShare)> found)
    : found_(std::move(found)), places_(miners) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
    }
}

Hasher::~Hasher() {
    for (std::jthread& thread : threads_) thread.request_stop();
}

void Hasher::set_work(std::size_t miner, std::optional<Work> work) {
    const std::lock_guard lock{mutex_};
    Place& place = places_[miner];
    busy_ += work.has_value() ? 1 : 0;
    busy_ -= place.work.has_value() ? 1 : 0;
    place = {std::move(work), 0};
    has_work_.notify_all();
}

std::optional<Work> Hasher::take(const std::stop_token& stop, std::size_t& miner, std::uint32_t& first) {
    std::unique_lock lock{mutex_};
    if (!has_work_.wait(lock, stop, [this] { return busy_ > 0; })) return std::nullopt;
    do {
        turn_ = (turn_ + 1) % places_.size();
    } while (!places_[turn_].work);
    Place& place = places_[turn_];
    if (place.next_nonce > UINT32_MAX) {
        // All nonces were looked at: the same again, a second later.
        place.next_nonce = 0;
        ++place.work->header.time;
    }
    miner = turn_;
    first = static_cast<std::uint32_t>(place.next_nonce);
    place.next_nonce += piece;
    return place.work;
}

void Hasher::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        if (waiting_ >= most_waiting) {
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
            continue;
        }
        std::size_t miner = 0;
        std::uint32_t first = 0;
        const auto work = take(stop, miner, first);
        if (!work) return;
        std::uint32_t done = 0;
        while (done < piece && waiting_ < most_waiting) {
            const auto nonce = sv2::search(work->header, work->target, first + done, piece - done);
            if (!nonce) break;
            done = *nonce - first + 1;
            ++waiting_;
            found_({miner, work->channel_id, work->job_id, work->extranonce, *nonce, work->header.time, work->header.version});
        }
        hashes_ += piece;
    }
}

double Hasher::measure() {
    sv2_block_header header{};
    sv2_u256 nothing{};
    const auto start = std::chrono::steady_clock::now();
    std::chrono::duration<double> spent{};
    std::uint32_t done = 0;
    for (; spent < std::chrono::milliseconds{50}; spent = std::chrono::steady_clock::now() - start) {
        (void)sv2::search(header, nothing, done, piece);
        done += piece;
    }
    return done / spent.count();
}
