#include "sessions/profile_archive.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMagic = "TROUPE-PROFILE-1";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kPackedBytesMax = 1ull << 30;
constexpr std::size_t kPathBytesMax = 4'096;

// Caches and what belongs to one run of a browser only.
constexpr std::array kLeftOut = std::to_array<std::string_view>(
    {"Cache", "Code Cache", "GPUCache", "DawnCache", "DawnGraphiteCache", "DawnWebGPUCache",
     "GrShaderCache", "GraphiteDawnCache", "ShaderCache", "Shared Dictionary", "Sessions",
     "Crashpad", "LOCK", "LOG", "LOG.old", "PersistentOriginTrials", "Safe Browsing"});

Error storage_error(const std::string& what, const std::string& file, const std::string& why) {
  return fail(Errc::storage_failed, what + " " + file + ": " + why, "data_dir",
              "free disk space, or mend the permissions of data_dir");
}

Error damaged(const std::string& file) {
  return fail(Errc::storage_failed, "context " + file + ": damaged, or sealed with another key",
              "data_dir", "delete the context and create it anew");
}

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One direction of AES-256-GCM in numbered pieces. The number and a mark on the last one are the
// nonce, so that pieces cannot be moved, dropped or cut off.
class PieceCipher final {
 public:
  PieceCipher(const ProfileKey& key, const std::string& salt, const std::string& label, bool seals)
      : context_(EVP_CIPHER_CTX_new()), seals_(seals) {
    std::size_t size = file_key_.size();
    std::unique_ptr<EVP_PKEY_CTX, void (*)(EVP_PKEY_CTX*)> kdf(
        EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr), EVP_PKEY_CTX_free);
    good_ =
        kdf && context_ && EVP_PKEY_derive_init(kdf.get()) > 0 &&
        EVP_PKEY_CTX_set_hkdf_md(kdf.get(), EVP_sha256()) > 0 &&
        EVP_PKEY_CTX_set1_hkdf_salt(kdf.get(), bytes(salt), static_cast<int>(salt.size())) > 0 &&
        EVP_PKEY_CTX_set1_hkdf_key(kdf.get(), key.data(), static_cast<int>(key.size())) > 0 &&
        EVP_PKEY_CTX_add1_hkdf_info(kdf.get(), bytes(label), static_cast<int>(label.size())) > 0 &&
        EVP_PKEY_derive(kdf.get(), file_key_.data(), &size) > 0;
  }
  ~PieceCipher() { OPENSSL_cleanse(file_key_.data(), file_key_.size()); }
  PieceCipher(const PieceCipher&) = delete;

  // Seals: appends the tag. Opens: takes it off and checks it. False: wrong key or changed.
  bool turn(std::string& piece, bool last) {
    if (!good_) return false;
    std::array<unsigned char, 12> nonce{};
    for (int i = 0; i < 8; ++i) nonce[static_cast<std::size_t>(i)] = (number_ >> (8 * i)) & 0xff;
    nonce[11] = last ? 1 : 0;
    ++number_;
    std::string tag(kTagBytes, '\0');
    if (!seals_) {
      if (piece.size() < kTagBytes) return false;
      tag = piece.substr(piece.size() - kTagBytes);
      piece.resize(piece.size() - kTagBytes);
    }
    int length = 0;
    auto* data = reinterpret_cast<unsigned char*>(piece.data());
    EVP_CIPHER_CTX* c = context_.get();
    const bool turned =
        EVP_CipherInit_ex(c, EVP_aes_256_gcm(), nullptr, file_key_.data(), nonce.data(), seals_) >
            0 &&
        EVP_CipherUpdate(c, data, &length, data, static_cast<int>(piece.size())) > 0 &&
        (seals_ || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) > 0) &&
        EVP_CipherFinal_ex(c, data + length, &length) > 0 &&
        (!seals_ || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) > 0);
    if (seals_) piece += tag;
    return turned;
  }

 private:
  static const unsigned char* bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context_;
  std::array<unsigned char, 32> file_key_{};
  std::uint64_t number_ = 0;
  bool seals_;
  bool good_ = false;
};

// Bytes in, sealed pieces out.
class SealedWriter final {
 public:
  SealedWriter(const std::string& file, const ProfileKey& key, const std::string& label)
      : salt_(kSaltBytes, '\0'), file_(file, std::ios::binary | std::ios::trunc) {
    RAND_bytes(reinterpret_cast<unsigned char*>(salt_.data()), kSaltBytes);
    cipher_ = std::make_unique<PieceCipher>(key, salt_, label, true);
    file_ << kMagic << salt_;
  }
  bool write(std::string_view text) {
    while (!text.empty()) {
      if (piece_.size() == kPieceBytes && !put(false)) return false;
      const std::size_t part = std::min(text.size(), kPieceBytes - piece_.size());
      piece_.append(text.substr(0, part));
      text.remove_prefix(part);
    }
    return true;
  }
  bool write_number(std::uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
    return write({bytes, 8});
  }
  bool finish() {
    if (!put(true)) return false;
    file_.flush();
    return static_cast<bool>(file_);
  }

 private:
  bool put(bool last) {
    if (!cipher_->turn(piece_, last)) return false;
    file_.write(piece_.data(), static_cast<std::streamsize>(piece_.size()));
    piece_.clear();
    return static_cast<bool>(file_);
  }
  std::string salt_;
  std::ofstream file_;
  std::unique_ptr<PieceCipher> cipher_;
  std::string piece_;
};

// Sealed pieces in, bytes out.
class SealedReader final {
 public:
  SealedReader(const std::string& file, const ProfileKey& key, const std::string& label)
      : file_(file, std::ios::binary) {
    std::error_code ignored;
    left_ = fs::file_size(file, ignored);
    std::string head(kMagic.size() + kSaltBytes, '\0');
    good_ = left_ > head.size() && file_.read(head.data(), std::ssize(head)) &&
            head.starts_with(kMagic);
    left_ -= good_ ? head.size() : left_;
    cipher_ = std::make_unique<PieceCipher>(key, head.substr(kMagic.size()), label, false);
  }
  bool read(std::string& text, std::size_t size) {
    text.clear();
    while (text.size() < size) {
      if (place_ == piece_.size() && !next()) return false;
      const std::size_t part = std::min(size - text.size(), piece_.size() - place_);
      text.append(piece_, place_, part);
      place_ += part;
    }
    return true;
  }
  bool read_number(std::uint64_t& number) {
    std::string text;
    if (!read(text, 8)) return false;
    number = 0;
    for (int i = 0; i < 8; ++i)
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    return true;
  }

 private:
  bool next() {
    if (!good_ || left_ == 0) return false;
    const std::size_t size = std::min<std::uint64_t>(left_, kPieceBytes + kTagBytes);
    piece_.resize(size);
    place_ = 0;
    left_ -= size;
    good_ = file_.read(piece_.data(), static_cast<std::streamsize>(size)) &&
            cipher_->turn(piece_, left_ == 0) && !piece_.empty();
    return good_;
  }
  std::ifstream file_;
  std::unique_ptr<PieceCipher> cipher_;
  std::string piece_;
  std::size_t place_ = 0;
  std::uint64_t left_ = 0;
  bool good_ = false;
};

// Files below `Default` that are worth keeping, as paths relative to `user_data_dir`.
std::vector<std::string> files_of(const std::string& user_data_dir) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator walk(user_data_dir + "/Default", error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    const std::string name = walk->path().filename().string();
    std::error_code ignored;
    if (std::find(kLeftOut.begin(), kLeftOut.end(), name) != kLeftOut.end())
      walk.disable_recursion_pending();
    else if (walk->is_regular_file(ignored) && !walk->is_symlink(ignored))
      files.push_back(fs::relative(walk->path(), user_data_dir, ignored).string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool is_inside(const std::string& path) {
  const fs::path given(path);
  return !path.empty() && path.size() <= kPathBytesMax && given.is_relative() &&
         path.find('\0') == std::string::npos &&
         std::none_of(given.begin(), given.end(),
                      [](const fs::path& part) { return part == ".."; });
}

}  // namespace

Result<ProfileKey> load_or_make_profile_key(const std::string& file) {
  ProfileKey key{};
  int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    const bool made = RAND_bytes(key.data(), static_cast<int>(key.size())) > 0 &&
                      write(descriptor, key.data(), key.size()) == std::ssize(key) &&
                      fsync(descriptor) == 0;
    close(descriptor);
    if (made) return key;
    unlink(file.c_str());
    return storage_error("key file", file, "cannot be written");
  }
  if (errno != EEXIST) return storage_error("key file", file, std::strerror(errno));
  descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return storage_error("key file", file, std::strerror(errno));
  struct stat info{};
  const bool is_private = fstat(descriptor, &info) == 0 && (info.st_mode & 077) == 0;
  const bool whole = read(descriptor, key.data(), key.size()) == std::ssize(key);
  close(descriptor);
  if (!is_private)
    return fail(Errc::storage_failed, "key file " + file + ": others may read it", "data_dir",
                "chmod 600 it");
  if (!whole) return storage_error("key file", file, "shorter than 32 bytes");
  return key;
}

Result<void> pack_profile(const std::string& user_data_dir, const std::string& file,
                          const ProfileKey& key, const std::string& label) {
  SealedWriter writer(file, key, label);
  std::uint64_t total = 0;
  for (const std::string& path : files_of(user_data_dir)) {
    std::ifstream source(user_data_dir + "/" + path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(source), {});
    total += text.size();
    if (total > kPackedBytesMax)
      return fail(Errc::exhausted, "context: the profile has more than " +
                                       std::to_string(kPackedBytesMax) + " bytes");
    if (!source || !writer.write_number(path.size()) || !writer.write(path) ||
        !writer.write_number(text.size()) || !writer.write(text))
      return storage_error("context", file, "cannot be written");
  }
  // A path of no length ends the list.
  if (!writer.write_number(0) || !writer.finish())
    return storage_error("context", file, "cannot be written");
  return {};
}

Result<void> unpack_profile(const std::string& file, const std::string& user_data_dir,
                            const ProfileKey& key, const std::string& label) {
  SealedReader reader(file, key, label);
  for (;;) {
    std::uint64_t path_size = 0, size = 0;
    std::string path, text;
    if (!reader.read_number(path_size) || path_size > kPathBytesMax) return damaged(file);
    if (path_size == 0) return {};
    if (!reader.read(path, path_size) || !is_inside(path) || !reader.read_number(size) ||
        size > kPackedBytesMax || !reader.read(text, size))
      return damaged(file);
    const fs::path target = fs::path(user_data_dir) / path;
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    std::ofstream out(target, std::ios::binary | std::ios::trunc);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    out.flush();
    if (!out) return storage_error("profile", target.string(), "cannot be written");
  }
}

}  // namespace troupe::sessions
