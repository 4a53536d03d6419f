// As main.c, with the C++ header: a share is encoded into a frame and decoded from it.

#include <cstdio>
#include <string_view>

#include "sv2.hpp"

int main() {
    sv2_submit_shares_standard share{};
    share.channel_id = 2;
    share.nonce = 0xdeadbeef;

    const auto bytes = sv2::encode(share);
    if (!bytes || bytes->size() != 30) return 1;
    const auto frame = sv2::split_frame(*bytes);
    auto decoder = sv2::Decoder::create();
    if (!frame || !decoder) return 2;

    sv2::Message message;
    if (!decoder->decode(*frame, message).ok()) return 3;
    const auto* decoded = message.get_if<sv2_submit_shares_standard>();
    if (decoded == nullptr || decoded->channel_id != 2 || decoded->nonce != 0xdeadbeef) return 4;

    std::printf("libsv2 %s, %.*s\n", sv2_version(), static_cast<int>(message.name().size()), message.name().data());
    return std::string_view{sv2_version()} == SV2_VERSION && sv2_abi_version() == SV2_ABI_VERSION ? 0 : 5;
}
