// A template provider on a thread of its own that follows the specification but for one fault, which it is asked for.
//
// It is made of level 1, connections and messages, so that it can do what the library's own provider never would.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include <host/regtest_chain.hpp>
#include <host/socket.hpp>
#include <sv2.hpp>

#include "faults.hpp"
#include "work.hpp"

class BrokenProvider {
public:
    // Keeps its chain in `datadir`. Throws if it cannot.
    BrokenProvider(Fault fault, bool plaintext, const std::filesystem::path& datadir);
    ~BrokenProvider();

    // Where it is and what its authority key is, as arguments of sv2-template-check.
    const std::string& arguments() const { return arguments_; }

private:
    struct Client {
        explicit Client(host::Socket s) : socket(std::move(s)) {}
        host::Socket socket;
        std::optional<sv2::Connection> connection;
        bool is_set_up = false;
        std::optional<sv2_coinbase_output_constraints> constraints;
        std::set<std::uint64_t> template_ids;                // that it was sent
        std::size_t messages = 0;                            // that came from it
        std::chrono::steady_clock::time_point last_heard{};  // the last of them
        bool is_updated = false;                             // it was sent a template with more fees
        bool is_deaf = false;                                // its messages are not looked at any more
        bool is_closed = false;
    };

    bool is(Fault fault) const { return fault == fault_; }
    sv2::Identity make_identity();
    void run();
    void accept();
    void receive(Client& client);
    void flush(Client& client);
    void end(Client& client, sv2::Status status);
    void update_idle_clients();
    void handle(Client& client, const sv2::Message& message);

    void on_setup(Client& client, const sv2_setup_connection& setup);
    void refuse(Client& client, std::uint32_t flags, const char* error_code);
    void on_constraints(Client& client, const sv2_coinbase_output_constraints& constraints);
    void on_request(Client& client, std::uint64_t template_id);
    bool is_gone(const Work& work) const;
    void on_solution(Client& client, const sv2_submit_solution& solution);
    void send_new_tip(Client& solver);

    void send_template(Client& client, bool is_update = false);
    bool is_unlike_others(const Client& client) const;
    void send_new_template(Client& client, const NewTemplate& made);
    void send_data(Client& client, const Work& work, std::uint64_t template_id);

    Fault fault_;
    bool plaintext_;
    std::unique_ptr<host::RegtestChain> chain_;
    sv2::SecretKey authority_;
    sv2::Identity identity_;
    host::Socket listener_;
    std::string arguments_;
    std::list<Client> clients_;
    std::map<std::uint64_t, Work> works_;
    std::uint64_t next_template_id_ = 1000;
    std::uint32_t tips_ = 0;                   // since the start
    std::set<std::uint64_t> asked_when_gone_;  // templates of old tips whose transactions were given
    std::optional<host::Bytes> mined_;         // a transaction of the last block, to be mined again
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};
