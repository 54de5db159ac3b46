import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// What the command line says where something isn't right: a sentence, and what to do.
@Suite(.serialized) struct MessageTests {
  @Test func `a command that isn't there is told with the one that may be meant`() async throws {
    try await withDesk { desk in
      for (words, next) in [
        (["statu"], "Did you mean status?"), (["hstory", "pipeline", "x"], "Did you mean history?"),
        (["projections", "rety", "runs"], "Did you mean retry?"),
        (["xyzzy"], "daybook --help lists the commands."), (["help", "statu"], "Did you mean status?"),
      ] {
        let told = try await desk.run(words)
        #expect(told.status == .code(64), "\(words)")
        #expect(told.errors.hasPrefix("daybook: There is no command “"), "\(words): \(told.errors)")
        #expect(told.errors.hasSuffix("Next: \(next)\n"), "\(words): \(told.errors)")
        #expect(told.output.isEmpty)
      }
      for words in [["statu", "--json"], ["audit", "--limit", "0", "--json"], ["rollback", "--json"]] {
        let told = try await desk.run(words)
        #expect(told.status == .code(64))
        let error = try JSON.parse(told.errors.trimmingCharacters(in: .newlines))["error"]
        #expect(error?["type"] == "usage" && error?["message"]?.stringValue?.isEmpty == false, "\(told.errors)")
      }
      #expect(try await desk.daybook("help", "status").status == .code(0))
      let version = try await desk.daybook("version")
      #expect(version.output.hasPrefix("Daybook ") && version.output.hasSuffix(", a development build\n"))
      #expect(try await desk.daybook("version", "--json").json()["commit"] == .null)
    }
  }

  @Test func `folders without a log or keys are told apart from those that may not be read`() async throws {
    try await withDesk { desk in
      let keys = try await desk.daybook("keys", "show")
      #expect(keys.status == .code(64) && keys.errors.hasPrefix("daybook: There are no keys here."), "\(keys.errors)")
      let log = try await desk.daybook("verify")
      #expect(log.status == .code(64) && log.errors.hasPrefix("daybook: There is no log here."))
      let backup = try await desk.daybook("verify", "--backup", "nope")
      #expect(backup.errors.contains("Next: Name a folder that daybook backup made with --backup."))
    }
  }

  @Test func `what the server refuses is one sentence each`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        let id = try await desk.makePipeline()
        let field = try await desk.daybook("call", "pipeline.edit", "{\"id\":\"\(id)\",\"shedule\":\"@daily\"}")
        #expect(field.errors == "daybook: /shedule: is not a parameter of pipeline.edit; did you mean schedule?\n")
        let several = try await desk.daybook("call", "pipeline.create", "{\"a\":1,\"b\":2}")
        #expect(several.errors.hasPrefix("daybook: 4 parameters are not right:\n      /a "), "\(several.errors)")
        let method = try await desk.daybook("call", "organization.gett")
        #expect(method.errors.components(separatedBy: "did you mean").count == 2, "\(method.errors)")
        #expect(!method.errors.contains("Next: Did you mean organization.get?"), "\(method.errors)")
        let model = try await desk.daybook("projections", "retry", "nosuch")
        #expect(!model.errors.contains(".."), "\(model.errors)")
        let role = try await desk.daybook("sql-role", "remove", "nosuch")
        #expect(role.errors.hasPrefix("daybook: There is no sql_role called “nosuch”."), "\(role.errors)")
        let large = "{\"where\":{\"name\":\"\(String(repeating: "x", count: 5_000_000))\"}}"
        let line = try await desk.daybook("call", "pipeline.list", "-", input: large)
        #expect(line.status != .code(0))
        #expect(
          line.errors == """
            daybook: A line may have at most 4194304 bytes.
            Next: Send less at once, or start the server with a larger --max-line.

            """, "\(line.errors.prefix(500))")
      }
    }
  }

  @Test func `examples of the help fit 80 columns, so that they can be pasted`() async throws {
    try await withDesk { desk in
      let help = try await desk.daybook("--help").output
      let listed = help.components(separatedBy: " SUBCOMMANDS:").dropFirst().joined()
      var commands: [String] = []
      for line in listed.components(separatedBy: "\n") where line.hasPrefix("  ") && !line.hasPrefix("   ") {
        guard let word = line.split(separator: " ").first, word != "See" else { continue }
        commands.append(String(word))
      }
      #expect(commands.contains("failed") && commands.contains("serve"))
      for command in commands {
        let shown = try await desk.daybook("help", command)
        #expect(shown.status == .code(0), "\(command)")
        let lines = shown.output.components(separatedBy: "\n")
        for (line, next) in zip(lines, lines.dropFirst()) where line.hasPrefix("  daybook ") {
          // One that is longer goes on after a backslash, never where the help happens to break it.
          let isIndented = next.hasPrefix("   ")
          let isWhole = next.isEmpty || (next.hasPrefix("  ") && !isIndented)
          let goesOn = line.hasSuffix("\\")
          #expect(isWhole != goesOn, "\(command): \(line)\n\(next)")
          #expect(line.count <= 80 && line.filter { $0 == "'" }.count.isMultiple(of: 2), "\(command): \(line)")
        }
      }
    }
  }

  @Test func `completion knows types, names and methods of the server`() async throws {
    try await withDesk { desk in
      for shell in ["bash", "zsh", "fish"] {
        #expect(try await desk.daybook("--generate-completion-script", shell).status == .code(0))
      }
      func completed(_ words: [String]) async throws -> [String] {
        let all = ["daybook"] + words
        // As the script for bash asks: which argument, the word and the cursor's place in it, and the words.
        let argument = words.count == 2 ? "positional@0" : "positional@1"
        let command = words.dropLast(words.count - 1)
        return try await desk.run(
          ["---completion"] + command + ["--", argument, "\(all.count - 1)", "\(words.last?.count ?? 0)"] + all
        ).lines
      }
      #expect(try await completed(["history", "pipe"]).isEmpty, "without a server there is nothing")
      try await desk.withServer {
        _ = try await desk.makePipeline()
        // Who pressed Tab waits two seconds for a server: a busy machine may need a second Tab.
        for (words, expected) in [
          (["history", "pipe"], ["pipeline", "pipeline_template"]), (["history", "pipeline", "da"], ["daily load"]),
          (["call", "pipeline.li"], ["pipeline.list"]),
        ] {
          _ = try await eventually("\(words) is completed by \(expected)", within: .seconds(60)) {
            try await completed(words) == expected ? true : nil
          }
        }
      }
    }
  }
}
