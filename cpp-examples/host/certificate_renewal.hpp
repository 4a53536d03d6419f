// A server's certificate is made anew before it ends, by the authority's key that lies beside the static one.
#pragma once

#include <algorithm>
#include <chrono>

#include <asio.hpp>

#include "keys.hpp"
#include "log.hpp"

namespace host {

// `Engine` has set_identity. Everything it borrows outlives it.
template <class Engine>
class CertificateRenewal {
public:
    // The engine was made with an identity that is new now.
    CertificateRenewal(asio::io_context& context, Engine& engine, const Keys& keys, std::chrono::seconds validity)
        : engine_(engine), keys_(keys), validity_(validity), timer_(context), renewed_(now()) {}

    // Looks from now on, by the wall clock and every hour or sooner: the other one may stand still while the machine sleeps.
    void start() {
        constexpr std::chrono::milliseconds an_hour = std::chrono::hours{1};
        timer_.expires_after(std::min<std::chrono::milliseconds>(an_hour, std::chrono::milliseconds{validity_} / 4));
        timer_.async_wait([this](asio::error_code error) {
            if (error) return;
            if (is_renewal_due(renewed_, now(), validity_)) renew();
            start();
        });
    }

    // At once.
    void renew() {
        const auto at = now();
        const auto identity = keys_.identity(at, validity_);
        if (identity && engine_.set_identity(*identity).ok()) {
            renewed_ = at;
            log_info("the certificate was renewed");
        } else {
            log_error("the certificate could not be renewed; it is tried again");
        }
    }

private:
    static std::chrono::sys_seconds now() {
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    }

    Engine& engine_;
    const Keys& keys_;
    const std::chrono::seconds validity_;
    asio::steady_timer timer_;
    std::chrono::sys_seconds renewed_;
};

}  // namespace host
