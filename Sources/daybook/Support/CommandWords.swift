import ArgumentParser
import CanonicalJSON
import Catalog

/// The words of a command line that name commands.
enum CommandWords {
  /// A word in the place of a command that is none, and those that may have been meant.
  struct Unknown {
    let word: String
    /// The command that it stands behind, such as `daybook projections`.
    let command: String
    let near: [String]

    /// What is said of it.
    var failure: Failure {
      Failure(
        .usage, "There is no command “\(Terminal.plain(word))”.",
        next: near.isEmpty
          ? "\(command) --help lists the commands." : "Did you mean \(near.joined(separator: " or "))?",
        data: ["type": "usage"])
    }
  }

  /// The word that no command has; nil where all words that stand in places of commands are known.
  static func unknown(_ words: some Sequence<String>) -> Unknown? {
    var command: any ParsableCommand.Type = Daybook.self
    var path = "daybook"
    for word in words {
      guard word.utf8.first != UInt8(ascii: "-"), word != "help" || path != "daybook" else {
        if word == "help" { continue }
        return nil
      }
      let commands = subcommands(of: command)
      guard !commands.isEmpty else { return nil }
      guard let next = commands.first(where: { name(of: $0) == word }) else {
        let names = commands.filter { $0.configuration.shouldDisplay }.map(name)
        let near = Suggestion.nearest(to: word.lowercased(), in: names, atMost: 3)
        return Unknown(word: word, command: path, near: near)
      }
      command = next
      path += " \(word)"
    }
    return nil
  }

  /// The options that say where the server is and who signs in: they belong to the commands that ask one.
  private static let connecting = ["--connect", "--api-key", "--email", "--tls-ca", "--context"]

  /// A command line whose words stand where its commands look for them: options that say where the server is may come
  /// before the command's name, and go behind it.
  static func inOrder(_ words: [String]) -> [String] {
    var leading: [String] = []
    var rest = words[...]
    while let word = rest.first, let name = connecting.first(where: { word == $0 || word.hasPrefix("\($0)=") }) {
      let count = word == name ? 2 : 1
      guard rest.count > count else { return words }
      leading += rest.prefix(count)
      rest = rest.dropFirst(count)
    }
    guard !leading.isEmpty else { return words }
    // What follows `--` is no option.
    let end = rest.firstIndex(of: "--") ?? rest.endIndex
    return rest[..<end] + leading + rest[end...]
  }

  private static func subcommands(of command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
    // Those of groups are among them.
    command.configuration.subcommands
  }

  private static func name(of command: any ParsableCommand.Type) -> String {
    command.configuration.commandName
      ?? String(describing: command).reduce(into: "") { name, letter in
        if letter.isUppercase, !name.isEmpty { name += "-" }
        name += letter.lowercased()
      }
  }
}
