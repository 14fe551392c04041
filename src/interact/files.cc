#include "interact/files.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>

namespace troupe::interact {

namespace fs = std::filesystem;

std::string safe_file_name(std::string_view name) {
  constexpr std::size_t kBytesMax = 120;
  const auto slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::string out;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool bad = byte < 0x20 || byte == 0x7F ||
                     std::string_view("<>:\"|?*").find(c) != std::string_view::npos;
    out += bad ? '_' : c;
  }
  while (!out.empty() && (out.front() == '.' || out.front() == ' ')) out.erase(0, 1);
  while (!out.empty() && (out.back() == '.' || out.back() == ' ')) out.pop_back();
  if (out.size() > kBytesMax) {
    const auto dot = out.rfind('.');
    const std::string ending =
        dot != std::string::npos && out.size() - dot <= 12 ? out.substr(dot) : "";
    std::size_t keep = kBytesMax - ending.size();
    while (keep > 0 && (static_cast<unsigned char>(out[keep]) & 0xC0) == 0x80) --keep;
    out = out.substr(0, keep) + ending;
  }
  return out.empty() ? "file" : out;
}

std::string free_path(const std::string& dir, const std::string& name) {
  const fs::path path(name);
  std::error_code error;
  std::string candidate = dir + "/" + name;
  for (int i = 2; fs::exists(candidate, error) && i < 10'000; ++i)
    candidate =
        dir + "/" + path.stem().string() + "-" + std::to_string(i) + path.extension().string();
  return candidate;
}

Result<void> write_file(const std::string& path, std::string_view content) {
  errno = 0;
  std::ofstream out(path, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (out) return {};
  const std::string reason = std::generic_category().message(errno == 0 ? EIO : errno);
  std::error_code ignored;
  fs::remove(path, ignored);
  return fail(Errc::storage_failed,
              "file " + path + ": " + std::to_string(content.size()) +
                  " bytes cannot be written: " + reason,
              {}, "make room, or set data_dir to a folder that can be written");
}

Result<std::int64_t> move_file(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) {
    error.clear();
    fs::copy_file(from, to, error);
    std::error_code ignored;
    fs::remove(from, ignored);
  }
  const auto size = error ? 0 : fs::file_size(to, error);
  if (error) return fail(Errc::storage_failed, "file " + to + ": " + error.message());
  return static_cast<std::int64_t>(size);
}

std::string decode_base64(std::string_view text) {
  static const auto table = [] {
    std::array<int, 256> values{};
    values.fill(-1);
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < letters.size(); ++i)
      values[static_cast<unsigned char>(letters[i])] = static_cast<int>(i);
    return values;
  }();
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = table[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xFF);
  }
  return out;
}

std::pair<int, int> png_size(std::string_view png) {
  if (png.size() < 24 || png.substr(1, 3) != "PNG") return {0, 0};
  const auto number = [&](std::size_t at) {
    int value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value = value << 8 | static_cast<unsigned char>(png[at + i]);
    return value;
  };
  return {number(16), number(20)};
}

}  // namespace troupe::interact
