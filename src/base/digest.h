// SHA-256, SHA-512, HMAC-SHA256, hexadecimal and base64 as bytes and texts. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// 32 bytes.
std::string sha256(std::string_view bytes);
/// 64 bytes.
std::string sha512(std::string_view bytes);
std::string hmac_sha256(std::string_view key, std::string_view bytes);
/// Lower case.
std::string to_hex(std::string_view bytes);
/// RFC 4648 section 4, padded.
std::string to_base64(std::string_view bytes);
/// Nothing when it is not exactly what to_base64 gives.
std::optional<std::string> from_base64(std::string_view text);
/// Takes the same time wherever they differ. Texts of different length are not equal.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace troupe
