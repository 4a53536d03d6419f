// One miner: a connection to the pool with one channel.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/engine_client.hpp"
#include "host/engine_loop.hpp"
#include "sv2-miner/hasher.hpp"
#include "sv2-miner/settings.hpp"

// What all miners have done.
struct Tally {
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
    std::uint64_t difficulty = 0;  // of the accepted ones
    std::uint64_t jobs = 0;
    std::uint64_t tips = 0;
    std::size_t mining = 0;  // miners with a job
};

class Miner {
public:
    struct Hooks {
        // There is something to mine on for the first time.
        std::function<void(const std::string& how)> works;
        // The connection could not be made, was lost, or is of no use.
        std::function<void(const std::string& why)> failed;
        // The shares that are accepted, or the tally in some other way, are more than before.
        std::function<void()> counted;
    };

    // Nothing, with a sentence in `error`, if the engine cannot be made.
    Miner(asio::io_context& context, const Settings& settings, float nominal_hashrate, std::size_t number, Hasher& hasher,
          Tally& tally, Hooks hooks, sv2::MiningClient engine);

    void start() { sockets_.start(); }
    // Says goodbye and closes the connection.
    void stop();
    void submit(const FoundShare& share);

private:
    using Engine = sv2::MiningClient;

    void handle(const Engine::Event& event);
    void on(const Engine::Ready& ready);
    void on(const Engine::ChannelOpened& opened);
    void on(const Engine::OpenRefused& refused);
    void on(const Engine::NewJob& job);
    void on(const Engine::TipWithoutJob&);
    void on(const Engine::SharesAccepted& accepted);
    void on(const Engine::ShareRejected& rejected);
    void on(const Engine::ChannelClosed& closed);
    void on(const Engine::Reconnect& elsewhere);
    void on(const Engine::Close& close);
    void on(const Engine::Writable&) { sockets_.write(); }
    template <class Other>
    void on(const Other&) {}

    void idle();
    void give_up(const std::string& why);
    std::string name() const;

    const Settings& settings_;
    const float nominal_hashrate_;
    const std::size_t number_;
    Hasher& hasher_;
    Tally& tally_;
    const Hooks hooks_;
    Engine engine_;
    host::EngineLoop<Engine> loop_;
    host::EngineClient<Engine> sockets_;
    std::optional<std::uint32_t> channel_;
    std::uint64_t extranonce_ = 0;  // of the last job, on an extended channel
    bool mining_ = false;
};

// The engine of a miner.
sv2::Result<sv2::MiningClient> make_engine(const Settings& settings);
