import Foundation
import TestBasics
import Testing

/// README from its first command on, as somebody types it who has a clone and nothing else.
@Suite(.needsPrograms, .serialized) struct TourTests {
  private let page = Page(path: "README.md")

  @Test(.timeLimit(.minutes(15)))
  func `README's commands run word for word in a fresh clone, and what the server proposes does too`() async throws {
    try await TemporaryFolder.with { folder in
      let clone = folder.path + "/clone"
      try await makeClone(clone, in: folder)
      let starting = try #require(page.blocks("sh").first { $0.text.contains("tools/run") })
      let setting = try #require(page.blocks("sh").first { $0.text.contains("export PATH") })
      var run = try #require(starting.lines.first { $0.hasPrefix("tools/run") }?.split(separator: "#").first).trimmed
      // Where another server has the port, this one does without; the tour goes by the socket.
      if try await !isFree(port: 7717, in: folder) { run += " --listen none" }
      let environment = ["HOME": folder.path, "DAYBOOK_DATA": "", "DAYBOOK_CONNECT": "", "DAYBOOK_HOME": ""]
      let server = try SpawnedProcess(
        ["bash", "-c", "unset DAYBOOK_DATA DAYBOOK_CONNECT DAYBOOK_HOME; exec \(run)"],
        outputFile: folder.path + "/run.out", errorFile: folder.path + "/run.err", inputFile: "/dev/null",
        directory: clone, environment: ["HOME": folder.path])
      try folder.note(server.pid)
      let said = try await eventually("tools/run proposes what to try", within: .seconds(180)) { () -> String? in
        let errors = TestFiles.text(folder.path + "/run.err")
        return errors.contains("daybook lineage warehouse.mart.revenue_by_country\n") ? errors : nil
      }
      #expect(said.contains("To try next, in another terminal:"), "\(said)")
      #expect(TestFiles.text(folder.path + "/run.out").hasPrefix("daybook ready on "))

      let blocks = page.blocks("sh run")
      let outputs = try await page.run([setting] + blocks, in: folder, directory: clone, environment: environment)
      try #require(outputs.count == blocks.count + 1)
      page.expectShown(Array(outputs.dropFirst()), of: blocks)

      // What is proposed now has the tour's own ids.
      let proposal = try await page.run(
        [setting, Page.Block(info: "sh", lines: ["daybook next"], line: 0)], in: folder, directory: clone,
        environment: environment)
      let commands = (proposal.last ?? []).filter { $0.hasPrefix("  ") }.map { String($0.dropFirst(2)) }
      #expect(commands.count >= 3, "\(proposal)")
      let pasted = try await runProgram(
        ["bash", "-eu", "-c", ([setting.text] + commands).joined(separator: "\n")], in: folder, directory: clone,
        environment: environment, within: .seconds(120))
      #expect(pasted.status == .code(0), "\(commands): \(pasted.output) \(pasted.errors)")

      // Ctrl-C stops it.
      server.send(SIGINT)
      #expect(try await server.wait(within: .seconds(60)) == .code(0))
    }
  }

  /// What git has of this working tree, with the built program where tools/run would build it.
  private func makeClone(_ clone: String, in folder: TemporaryFolder) async throws {
    let built = try Programs.built("daybook")
    let script = """
      mkdir -p "$2/.build/release" "$2/.build/daybook-tools"
      git -C "$1" ls-files -z --cached --others --exclude-standard | tar -C "$1" --null -T - -cf - | tar -C "$2" -xf -
      cp "$3" "$2/.build/release/daybook"
      cd "$2"
      . tools/lib/setup.sh
      daybook_build_tools > .build/daybook-tools/daybook.built
      """
    let made = try await runProgram(
      ["bash", "-euo", "pipefail", "-c", script, "clone", Repository.root, clone, built], in: folder,
      within: .seconds(180))
    try #require(made.status == .code(0), "\(made.errors)")
  }

  private func isFree(port: Int, in folder: TemporaryFolder) async throws -> Bool {
    try await runProgram(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)"], in: folder).status != .code(0)
  }
}

extension Substring {
  fileprivate var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
