// A template provider inside of this process, on a regtest chain of its own: a whole pool without a node.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/address.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "settings.hpp"
#include "sv2-template-provider/regtest_node.hpp"

class EmbeddedProvider {
public:
    // Opens the chain in `directory` and listens on a free port of this machine, without encryption. Nothing, with a sentence in
    // `error`, if it cannot. `failed` is told when it can go on no more.
    static std::unique_ptr<EmbeddedProvider> open(asio::io_context& context, const std::filesystem::path& directory,
                                                  const TemplateSettings& settings,
                                                  std::function<void(const std::string& why)> failed, std::string& error);

    // Where it listens.
    host::HostPort address() const { return {"127.0.0.1", sockets_.port()}; }

    // Serves from now on.
    void start();

private:
    EmbeddedProvider(asio::io_context& context, sv2::TemplateProvider engine, std::unique_ptr<host::RegtestChain> chain,
                     const TemplateSettings& settings, std::function<void(const std::string& why)> failed);
    void handle(const sv2::TemplateEvent& event);

    sv2::TemplateProvider engine_;
    const std::function<void(const std::string& why)> failed_;
    RegtestNode node_;
    host::EngineLoop<sv2::TemplateProvider> loop_;
    host::EngineServer<sv2::TemplateProvider> sockets_;
};
