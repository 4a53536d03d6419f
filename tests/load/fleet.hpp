// Many miners' connections to one pool, each with a channel. None mines: they watch whether everything reaches all of them, and when.
#pragma once

#include <asio.hpp>
#include <sv2.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/address.hpp"

using Clock = std::chrono::steady_clock;

// Something that the pool sends to everybody, told by its contents: a job, or a prev-hash.
struct Broadcast {
    bool is_prev_hash = false;
    sv2_u256 prev_hash{};  // if it is one
    std::size_t received = 0;
    Clock::time_point first{}, last{};
};

class Fleet {
public:
    Fleet(asio::io_context& context, host::ServerAddress pool);
    ~Fleet();

    // Opens so many connections, so many a second; `receive_buffer` 0 is the system's.
    void open(std::size_t connections, double per_second, int receive_buffer = 0);
    // None of them reads any more. They are lost when the pool has had enough.
    void stop_reading();

    // How many have a channel, a job and a prev-hash, and how many have come to an end, by whosever doing.
    std::size_t ready() const { return ready_; }
    std::size_t lost() const { return lost_; }
    const std::string& why_lost() const { return why_lost_; }
    std::uint64_t bytes_received() const { return bytes_received_; }

    // From now on what is sent for the first time must reach everybody.
    void watch() { watching_since_ = Clock::now(); }
    // All that has been seen since, by a hash of its contents.
    const std::unordered_map<std::uint64_t, Broadcast>& broadcasts() const { return broadcasts_; }
    // How many miners did not get each of them exactly once.
    std::size_t miners_with_gaps() const;

private:
    struct Miner;
    void open_next();
    void receive(Miner& miner);
    void handle(Miner& miner, const sv2::Message& message);
    void greet(Miner& miner);
    void open_channel(Miner& miner);
    void write(Miner& miner);
    void lose(Miner& miner, const std::string& why);
    void note(Miner& miner, std::uint64_t contents, const sv2_u256* prev_hash);

    asio::io_context& context_;
    const host::ServerAddress pool_;
    asio::steady_timer ramp_{context_};
    std::size_t wanted_ = 0;
    int receive_buffer_ = 0;
    bool reads_ = true;
    std::chrono::nanoseconds pause_{};
    std::vector<std::unique_ptr<Miner>> miners_;
    std::size_t ready_ = 0, lost_ = 0;
    std::string why_lost_;
    std::uint64_t bytes_received_ = 0;
    Clock::time_point watching_since_ = Clock::time_point::max();
    std::unordered_map<std::uint64_t, Broadcast> broadcasts_;
    Clock::time_point now_{};  // when the bytes that are looked at were read
};
