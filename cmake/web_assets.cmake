# Text files that the binary carries: scripts injected into pages, the built-in workflows and site
# profiles, the demo site. `troupe_embed_assets` puts every file below assets/ into one generated
# source; base/assets.h looks them up by path ("interact/page.js").
function(troupe_embed_assets target)
  file(GLOB_RECURSE assets CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/assets ${CMAKE_SOURCE_DIR}/assets/*)
  set(out ${CMAKE_BINARY_DIR}/generated/assets_data.cc)
  set(inputs "")
  foreach(asset ${assets})
    list(APPEND inputs ${CMAKE_SOURCE_DIR}/assets/${asset})
  endforeach()
  string(REPLACE ";" "|" joined "${assets}")
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DROOT=${CMAKE_SOURCE_DIR}/assets -DASSETS=${joined} -DOUT=${out}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${inputs} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  set_source_files_properties(${out} PROPERTIES SKIP_PRECOMPILE_HEADERS ON
    OBJECT_DEPENDS "${inputs}")
endfunction()
