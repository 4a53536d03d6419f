// A template provider on a thread of its own that follows the specification but for one fault, which it is asked for.
//
// It is made of level 1, connections and messages, so that it can do what the library's own provider never would.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
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
        bool is_deaf = false;  // its messages are not looked at any more
        bool is_closed = false;
    };

    bool is(Fault fault) const { return fault == fault_; }
    sv2::Identity make_identity();
    void run();
    void accept();
    void receive(Client& client);
    void flush(Client& client);
    void handle(Client& client, const sv2::Message& message);

    void on_setup(Client& client, const sv2_setup_connection& setup);
    void refuse(Client& client, std::uint32_t flags, const char* error_code);
    void on_constraints(Client& client, const sv2_coinbase_output_constraints& constraints);
    void on_request(Client& client, std::uint64_t template_id);
    void on_solution(Client& client, const sv2_submit_solution& solution);

    void send_template(Client& client);
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
    std::uint32_t tips_ = 0;  // since the start
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};
