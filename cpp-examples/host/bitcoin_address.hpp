// Bitcoin addresses: what people write instead of a script.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bytes.hpp"

namespace host {

// A kind of address. The test networks but regtest share theirs.
enum class AddressNetwork : std::uint8_t { main, test, regtest };

// The output script (scriptPubKey) that an address of this network stands for: P2PKH and P2SH in base58check, witness
// programs in bech32 (BIP 173, version 0) and bech32m (BIP 350, the others). Nothing, with a sentence in `error`, if it is
// none; the sentence says which network an address is of when it is of another one.
std::optional<Bytes> script_of_address(std::string_view address, AddressNetwork network, std::string& error);

}  // namespace host
