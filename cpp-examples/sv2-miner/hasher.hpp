// The threads that hash. Each takes some thousands of nonces of one miner's work after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include <sv2.hpp>

// What one miner works on.
struct Work {
    std::uint32_t channel_id;
    std::uint32_t job_id;
    std::vector<std::uint8_t> extranonce;
    sv2_block_header header;
    sv2_u256 target;
};

// A nonce that meets the target, and all that a share says.
struct FoundShare {
    std::size_t miner;
    std::uint32_t channel_id;
    std::uint32_t job_id;
    std::vector<std::uint8_t> extranonce;
    std::uint32_t nonce;
    std::uint32_t ntime;
    std::uint32_t version;
};

class Hasher {
public:
    // `found` is called from the threads, and must not wait.
    Hasher(std::size_t miners, unsigned threads, std::function<void(FoundShare)> found);
    ~Hasher();
    Hasher(const Hasher&) = delete;
    Hasher& operator=(const Hasher&) = delete;

    // From now on this miner works on that, or on nothing.
    void set_work(std::size_t miner, std::optional<Work> work);
    // What `found` was given is dealt with.
    void dealt_with() { --waiting_; }

    std::uint64_t hashes() const { return hashes_; }

    // Hashes a second of one thread of this machine.
    static double measure();

private:
    struct Place {
        std::optional<Work> work;
        std::uint64_t next_nonce = 0;
    };

    void run(const std::stop_token& stop);
    // The next piece of somebody's work.
    std::optional<Work> take(const std::stop_token& stop, std::size_t& miner, std::uint32_t& first);

    const std::function<void(FoundShare)> found_;
    std::mutex mutex_;
    std::condition_variable_any has_work_;
    std::vector<Place> places_;
    std::size_t turn_ = 0;
    std::size_t busy_ = 0;  // miners that have work
    std::atomic<std::uint64_t> hashes_{0};
    std::atomic<int> waiting_{0};
    std::vector<std::jthread> threads_;  // the last: they end before what they use
};
