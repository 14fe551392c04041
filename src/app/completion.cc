#include "app/completion.h"

#include <algorithm>

#include "app/commands.h"

namespace troupe::app {
namespace {

// One command with the words that lead to it and all options that fit there.
struct Place {
  std::string path;  ///< `sessions list`; empty for the root.
  const CommandInfo* command;
  std::vector<const OptionInfo*> options;
};

void collect(const CommandInfo& command, const std::string& path,
             std::vector<const OptionInfo*> inherited, std::vector<Place>& places) {
  for (const auto& option : command.options) {
    const bool again = std::any_of(inherited.begin(), inherited.end(), [&](const OptionInfo* o) {
      return !option.names.empty() && o->names == option.names;
    });
    if (!again) inherited.push_back(&option);
  }
  places.push_back({path, &command, inherited});
  for (const auto& inner : command.commands)
    if (!inner.hidden)
      collect(inner, path.empty() ? inner.name : path + " " + inner.name, inherited, places);
}

std::vector<Place> places_of(const CommandInfo& root) {
  std::vector<Place> places;
  collect(root, "", {}, places);
  return places;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::vector<std::string> words_at(const Place& place) {
  std::vector<std::string> words;
  for (const auto& inner : place.command->commands)
    if (!inner.hidden) words.push_back(inner.name);
  for (const auto* option : place.options) {
    for (const auto& name : option->names) words.push_back(name);
    if (option->names.empty())
      for (const auto& choice : option->choices) words.push_back(choice);
  }
  return words;
}

// Single quotes are the one character that a single-quoted word cannot hold.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c == '\n' ? ' ' : c;
  }
  return out + "'";
}

bool takes_file(const CommandInfo& command) {
  return std::any_of(command.options.begin(), command.options.end(),
                     [](const OptionInfo& o) { return o.names.empty() && o.is_file; });
}

}  // namespace

std::string bash_completion(const CommandInfo& root) {
  const auto places = places_of(root);
  std::string paths;
  std::string cases;
  std::string values;
  for (const auto& place : places) {
    if (!place.path.empty()) paths += (paths.empty() ? "" : "|") + quoted(place.path);
    cases += "    " + quoted(place.path) + ") words=" + quoted(join(words_at(place))) +
             "; files=" + (takes_file(*place.command) ? "yes" : "") + " ;;\n";
    for (const auto& option : place.command->options) {
      if (option.names.empty() || option.value.empty()) continue;
      std::string names;
      for (const auto& name : option.names)
        names += (names.empty() ? "" : "|") + quoted(place.path + ":" + name);
      const std::string reply =
          !option.choices.empty()
              ? "compgen -W " + quoted(join(option.choices)) + " -- \"$current\""
          : option.is_file ? "compgen -f -- \"$current\""
                           : "true";
      values += "    " + names + ") mapfile -t COMPREPLY < <(" + reply + "); return ;;\n";
    }
  }
  return "# bash completion of troupe: source <(troupe completion bash)\n"
         "_troupe() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  local place='' word words='' files='' i at\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=\"${place:+$place }${COMP_WORDS[i]}\"\n"
         "    case $word in " +
         paths +
         ") place=$word ;; esac\n"
         "  done\n"
         "  for at in \"$place\" ''; do case \"$at:$previous\" in\n" +
         values +
         "  esac; done\n"
         "  case $place in\n" +
         cases +
         "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "  if [[ -n $files && $current != -* ]]; then\n"
         "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$current\")\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _troupe troupe\n";
}

std::string zsh_completion(const CommandInfo& root) {
  // zsh runs bash completions; one generator is one thing to keep right.
  return "#compdef troupe\n"
         "# zsh completion of troupe: source <(troupe completion zsh)\n"
         "autoload -Uz compinit bashcompinit\n"
         "(( $+functions[compdef] )) || compinit\n"
         "bashcompinit\n"
         "mapfile() {\n"
         "  local origin=0 name\n"
         "  [[ $1 == -t ]] && shift\n"
         "  [[ $1 == -O ]] && { origin=$2; shift 2 }\n"
         "  name=$1\n"
         "  local -a lines=(\"${(@f)$(cat)}\")\n"
         "  (( origin )) && set -A $name \"${(@P)name}\" \"${lines[@]}\" || set -A $name "
         "\"${lines[@]}\"\n"
         "}\n" +
         bash_completion(root);
}

std::string fish_completion(const CommandInfo& root) {
  std::string out =
      "# fish completion of troupe: troupe completion fish | source\ncomplete -c troupe -f\n";
  for (const auto& place : places_of(root)) {
    const auto space = place.path.find(' ');
    const std::string first = place.path.substr(0, space);
    std::string condition = "__fish_use_subcommand";
    if (!first.empty()) condition = "__fish_seen_subcommand_from " + first;
    if (space != std::string::npos)
      condition += "; and __fish_seen_subcommand_from " + place.path.substr(space + 1);
    const std::string start = "complete -c troupe -n " + quoted(condition);
    for (const auto& inner : place.command->commands)
      if (!inner.hidden) out += start + " -a " + inner.name + " -d " + quoted(inner.help) + "\n";
    for (const auto& option : place.command->options) {
      std::string line = place.path.empty() && !option.names.empty() ? "complete -c troupe" : start;
      for (const auto& name : option.names)
        line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (!option.choices.empty()) line += " -a " + quoted(join(option.choices));
      if (option.is_file) line += " -F";
      if (!option.names.empty() && !option.value.empty()) line += " -r";
      if (option.names.empty() && option.choices.empty() && !option.is_file) continue;
      out += line + " -d " + quoted(option.help) + "\n";
    }
  }
  return out;
}

int print_completion(const Invocation& invocation) {
  const CommandInfo root = command_tree();
  const std::string& shell = invocation.arguments.at(0);
  print(shell == "bash"  ? bash_completion(root)
        : shell == "zsh" ? zsh_completion(root)
                         : fish_completion(root));
  return 0;
}

}  // namespace troupe::app
