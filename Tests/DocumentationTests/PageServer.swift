import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// A server for the commands of one page, and a folder that looks like the root of the repository to them.
struct PageServer: Sendable {
  let server: DaybookProcess
  /// Where commands run: what they write lands here, what they read of the repository is linked.
  let folder: String

  /// Runs a body with a server whose log is empty, and ends it.
  static func with<R: Sendable>(_ body: (PageServer) async throws -> R) async throws -> R {
    let url = try await ThrowawayPostgres.database()
    return try await withServer(["--postgres", url, "--log-level", "error"], listen: "none") { server in
      let folder = server.folder.path + "/clone"
      try TestFiles.makeFolder(folder)
      for name in ["schema", "projections", "tools", "Sources", "Tests"] {
        try FileManager.default.createSymbolicLink(
          atPath: folder + "/" + name, withDestinationPath: Repository.root + "/" + name)
      }
      // On a busy machine the tables of a new database may take longer than a query waits for them.
      _ = try await eventually("the read models are there", within: .seconds(120)) { () -> Bool? in
        try await server.run(["call", "pipeline.list", "{}"]).status == .code(0) ? true : nil
      }
      return try await body(PageServer(server: server, folder: folder))
    }
  }

  /// Runs the blocks in one shell, one after the other, so that variables stay;
  /// returns what each wrote to its standard output.
  func run(_ blocks: [Page.Block], of page: Page) async throws -> [[String]] {
    let daybook = URL(fileURLWithPath: try Programs.built("daybook")).deletingLastPathComponent().path
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return try await page.run(
      blocks, in: server.folder, directory: folder,
      environment: ["PATH": "\(daybook):\(path)", "DAYBOOK_DATA": server.data])
  }
}

extension Page {
  /// Runs the blocks in one shell, one after the other, so that variables stay;
  /// returns what each wrote to its standard output.
  func run(
    _ blocks: [Page.Block], in folder: TemporaryFolder, directory: String, environment: [String: String]
  ) async throws -> [[String]] {
    let page = self
    let mark = "---- block"
    let script = blocks.map { "echo '\(mark) \($0.line)'\n\($0.text)\n" }.joined()
    let result = try await runProgram(
      ["bash", "-euo", "pipefail", "-c", script], in: folder, directory: directory, environment: environment,
      within: .seconds(300))
    #expect(
      result.status == .code(0),
      "the commands of \(page.path) end with \(result.status):\n\(result.output.suffix(2000))\n\(result.errors.suffix(2000))"
    )
    var outputs: [[String]] = []
    for line in result.output.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix(mark) {
        outputs.append([])
      } else if !outputs.isEmpty {
        outputs[outputs.count - 1].append(String(line))
      }
    }
    return outputs
  }

  /// Expects of what the blocks wrote the lines that the page shows after each.
  func expectShown(_ outputs: [[String]], of blocks: [Page.Block]) {
    for (block, output) in zip(blocks, outputs) {
      guard let next = self.blocks.first(where: { $0.line > block.line }), next.info == "text out" else { continue }
      var rest = output[...]
      for line in next.lines where !line.allSatisfy(\.isWhitespace) {
        let pattern = Pattern(line)
        guard let found = rest.firstIndex(where: pattern.matches) else {
          Issue.record("\(path):\(next.line): no line is as “\(line)” in:\n\(output.joined(separator: "\n"))")
          break
        }
        rest = rest[(found + 1)...]
      }
    }
  }
}

/// A text in which `…` stands for anything.
struct Pattern {
  private let pieces: [String]

  init(_ text: String) { pieces = Self.normal(text).components(separatedBy: "…") }

  /// Whether a text is as the pattern says, where the width of white space doesn't count.
  func matches(_ text: String) -> Bool {
    var rest = Substring(Self.normal(text))
    for (index, piece) in pieces.enumerated() {
      if index == 0 {
        guard rest.hasPrefix(piece) else { return false }
        rest = rest.dropFirst(piece.count)
        if pieces.count == 1 { return rest.isEmpty }
      } else if index == pieces.count - 1 {
        return rest.hasSuffix(piece)
      } else if !piece.isEmpty {
        guard let found = rest.range(of: piece) else { return false }
        rest = rest[found.upperBound...]
      }
    }
    return true
  }

  /// White space as single blanks, none beside a `…`.
  private static func normal(_ text: String) -> String {
    text.split(whereSeparator: \.isWhitespace).joined(separator: " ").replacingOccurrences(of: " … ", with: "…")
      .replacingOccurrences(of: "… ", with: "…").replacingOccurrences(of: " …", with: "…")
  }
}
