// Where the pool's work comes from: template providers, of which one is followed and the others stand ready.
//
// All of them are connected all the time. When the one that is followed is gone, or falls behind, the next one's newest template is
// there at once; and what was found on a template of the former goes to the former, as soon as it is back. A provider that is
// preferred is followed again when it names a new tip that is no older than what is mined on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/address.hpp"
#include "host/engine_client.hpp"
#include "host/engine_loop.hpp"

// What coinbases need besides what is in the template (spec 7.1).
struct Reserved {
    std::uint32_t max_additional_size = 0;
    std::uint16_t max_additional_sigops = 0;
};

class WorkSource {
public:
    // All in the thread of the event loop. What is pointed to lives until the function returns.
    struct Events {
        // A template, under an id that no other template of any provider ever has.
        std::function<void(const sv2_new_template&)> new_template;
        // The tip that templates are for from now on.
        std::function<void(const sv2_set_new_prev_hash_template&)> new_tip;
        // It can go on no more: a sentence.
        std::function<void(const std::string& why)> failed;
    };

    // `providers` is not empty. Nothing, with a sentence in `error`, if it cannot be.
    static std::unique_ptr<WorkSource> create(asio::io_context& context, const std::vector<host::ServerAddress>& providers,
                                              bool plaintext, Reserved reserved, Events events, std::string& error);

    ~WorkSource();

    // Connects from now on.
    void start();

    // A block was found on a template that came by `new_template`: sends it at once, or as soon as its provider is connected again.
    // False if the template is not known any more.
    bool submit(const sv2_submit_solution& solution);

    // How many solutions wait for a provider.
    std::size_t pending_solutions() const;

    // Which provider is followed, in words; nothing if there is no work.
    std::optional<std::string> followed() const;

    // Why the last attempt to reach a provider failed; empty if none did.
    const std::string& last_failure() const { return last_failure_; }

private:
    struct Provider;
    struct Origin {
        std::size_t provider;
        std::uint64_t template_id;  // its own
    };

    WorkSource(asio::io_context& context, Events events);
    void handle(std::size_t at, const sv2::TemplateClient::Event& event);
    void follow(std::size_t at);
    void follow_another();
    void tip_came(std::size_t at, const sv2_set_new_prev_hash_template& tip);
    void watch_heights();
    std::optional<std::uint64_t> hand_over(std::size_t at, std::uint64_t template_id, bool as_future);
    bool is_serving(std::size_t at) const;

    const Events events_;
    asio::steady_timer watch_;
    std::vector<std::unique_ptr<Provider>> providers_;
    std::optional<std::size_t> followed_;
    std::unordered_map<std::uint64_t, Origin> origins_;  // by our names for the templates
    std::uint64_t next_template_id_ = 1;
    std::string last_failure_;
    bool was_behind_ = false;  // at the last look, somebody else had a later block
};
