// A template provider whose chain finds blocks by itself: a new tip whenever the test wants one.
#pragma once

#include <asio.hpp>
#include <sv2.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "host/address.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "host/regtest_chain.hpp"

class TipMaker {
public:
    struct Tip {
        sv2_u256 hash;
        std::chrono::steady_clock::time_point announced;
    };

    // A chain in `directory`, with so many transactions in each template; throws if it cannot be.
    TipMaker(asio::io_context& context, const std::string& directory, std::size_t transactions);

    // Where the pool finds it, and by whose authority.
    host::ServerAddress address() const { return address_; }

    // Mines a block and announces it.
    Tip next_tip();

private:
    static sv2::TemplateProvider make_provider(const sv2::SecretKey& authority);
    void handle(const sv2::TemplateEvent& event);
    void offer(const sv2_constraint_key& key);

    const std::size_t transactions_;
    std::unique_ptr<host::RegtestChain> chain_;
    sv2::SecretKey authority_;
    sv2::TemplateProvider engine_;
    host::EngineLoop<sv2::TemplateProvider> loop_;
    host::EngineServer<sv2::TemplateProvider> sockets_;
    host::ServerAddress address_;
    std::map<sv2_constraint_key, bool> wanted_;
    std::uint64_t next_handle_ = 1;
};
