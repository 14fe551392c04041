# Writes OUT: an .incbin per asset and the table that base/assets.cc reads.
string(REPLACE "|" ";" assets "${ASSETS}")
set(text "#include <cstddef>\n#include <string_view>\n")
set(rows "")
set(n 0)
foreach(asset ${assets})
  string(APPEND text "__asm__(\".section .rodata\\n.global troupe_asset_${n}\\ntroupe_asset_${n}:\\n"
    ".incbin \\\"${ROOT}/${asset}\\\"\\n.global troupe_asset_${n}_end\\ntroupe_asset_${n}_end:\\n.byte 0\\n.previous\\n\");\n"
    "extern \"C\" const char troupe_asset_${n}[];\nextern \"C\" const char troupe_asset_${n}_end[];\n")
  string(APPEND rows "  {\"${asset}\", troupe_asset_${n}, troupe_asset_${n}_end},\n")
  math(EXPR n "${n}+1")
endforeach()
string(APPEND text "namespace troupe::assets {\nstruct Row { std::string_view path; const char* begin; const char* end; };\n"
  "extern const Row kRows[];\nextern const std::size_t kRowCount;\n"
  "const Row kRows[] = {\n${rows}  {\"\", nullptr, nullptr}};\nconst std::size_t kRowCount = ${n};\n}\n")
file(WRITE ${OUT} "${text}")
