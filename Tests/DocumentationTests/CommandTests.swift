import Foundation
import TestBasics
import Testing

/// The commands of README and of the pages, against the built program.
@Suite(.needsPrograms) struct CommandTests {
  /// The pages with blocks of `sh run`.
  static let pages = Page.all.filter { !$0.blocks("sh run").isEmpty }

  @Test func `README and the operations page have commands to run`() {
    #expect(Self.pages.map(\.path).contains("README.md"))
    #expect(Self.pages.map(\.path).contains { $0.hasSuffix("Operations.md") })
  }

  @Test(arguments: CommandTests.pages)
  func `every block of sh run works as it stands and prints the lines that follow it`(page: Page) async throws {
    let blocks = page.blocks("sh run")
    let outputs = try await PageServer.with { try await $0.run(blocks, of: page) }
    try #require(outputs.count == blocks.count)
    page.expectShown(outputs, of: blocks)
  }

  @Test func `a text out block follows what it is the output of`() {
    for page in Page.all {
      for (index, block) in page.blocks.enumerated() where block.info == "text out" {
        #expect(index > 0 && page.blocks[index - 1].info == "sh run", "\(page.path):\(block.line)")
      }
    }
  }

  @Test func `every block is of a kind that some test looks at, or of one that holds no command`() {
    let kinds: Set = [
      "sh run", "text out", "sh", "ini", "json send", "json answer", "json", "text", "swift", "diff", "diff apply",
    ]
    for page in Page.all {
      #expect(!page.text.isEmpty, "\(page.path) is missing")
      for block in page.blocks where !kinds.contains(block.info) {
        // What names a file or a part of an example: `swift Sources/…`, `yaml apply schema/…`, `text note`.
        #expect(
          block.info.contains("/") || block.info.hasPrefix("text "), "\(page.path):\(block.line): \(block.info)")
      }
    }
  }

  @Test func `commands that aren't run name scripts, commands and options that exist`() async throws {
    var tried = 0
    try await TemporaryFolder.with { folder in
      for page in Page.all {
        for line in (page.blocks("sh") + page.blocks("ini")).flatMap(\.lines) {
          guard let command = PlainCommand(line), !command.words.isEmpty || command.isScript else { continue }
          if command.isScript {
            let script = Repository.root + "/tools/" + command.name
            #expect(FileManager.default.isExecutableFile(atPath: script), "\(page.path): \(line)")
          }
          guard !command.isScript || !command.options.isEmpty else { continue }
          let help = try await command.help(in: folder)
          #expect(help.status == .code(0), "\(page.path): \(line)\n\(help.errors)")
          for option in command.options {
            #expect(help.output.contains(option), "\(page.path): \(line): there is no \(option)")
          }
          tried += 1
        }
      }
    }
    #expect(tried > 3)
  }
}

/// A line of a block that is not run: a script in `tools/`, or the program with the command that it is given.
private struct PlainCommand {
  /// The script's name, or `daybook`.
  let name: String
  let isScript: Bool
  /// The command and its subcommand, or what follows them in its place.
  let words: [String]
  let options: [String]

  init?(_ line: String) {
    let all = (line.split(separator: "#").first ?? "").split(separator: " ").map(String.init)
    guard let start = all.firstIndex(where: { $0.hasPrefix("tools/") || $0.hasSuffix("daybook") }) else { return nil }
    isScript = all[start].hasPrefix("tools/")
    name = all[start].split(separator: "/").last.map(String.init) ?? ""
    let rest = all[(start + 1)...]
    words = Array(
      rest.prefix { word in word.first != "-" && word.allSatisfy { $0.isLowercase || $0 == "-" } }.prefix(2))
    options = rest.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }
  }

  /// What is said of the options: for a script, by the program that it runs.
  func help(in folder: TemporaryFolder) async throws -> ProgramResult {
    let daybook = try Programs.built("daybook")
    switch (isScript, name) {
    case (true, "run"): return try await runProgram([daybook, "serve", "--help"], in: folder)
    case (true, "bench"), (true, "demo"):
      return try await runProgram([try Programs.built("daybook-\(name)"), "--help"], in: folder)
    case (true, _): return try await runProgram([Repository.root + "/tools/" + name, "--help"], in: folder)
    case (false, _):
      let help = try await runProgram([daybook] + words + ["--help"], in: folder)
      guard help.status != .code(0), let first = words.first else { return help }
      // The second word was an argument.
      return try await runProgram([daybook, first, "--help"], in: folder)
    }
  }
}
