import Foundation
import TestBasics
import Testing

/// A page of the documentation: its path in the repository and its fenced blocks.
struct Page: Sendable, CustomTestStringConvertible {
  /// A fenced block: what stands behind the fence, and the lines between.
  struct Block: Sendable {
    let info: String
    let lines: [String]
    /// The line of the page that the fence is on.
    let line: Int

    var text: String { lines.joined(separator: "\n") }
  }

  let path: String
  let text: String
  let blocks: [Block]

  var testDescription: String { path }

  /// Every page that has commands, requests or diffs to try.
  static let all = names.map { Page(path: $0) }

  /// README and whatever pages there are.
  static let names: [String] = {
    let folder = "Sources/daybook/Daybook.docc"
    let files = (try? FileManager.default.contentsOfDirectory(atPath: Repository.root + "/" + folder)) ?? []
    return ["README.md"] + files.filter { $0.hasSuffix(".md") }.sorted().map { "\(folder)/\($0)" }
  }()

  static func named(_ name: String) -> Page { Page(path: "Sources/daybook/Daybook.docc/\(name).md") }

  /// Reads a page; a missing one has no blocks, which the tests notice.
  init(path: String) {
    self.path = path
    text = (try? String(contentsOfFile: Repository.root + "/" + path, encoding: .utf8)) ?? ""
    var blocks: [Block] = []
    var open: (info: String, line: Int, lines: [String])?
    for (index, line) in text.components(separatedBy: "\n").enumerated() {
      if let current = open {
        if line == "```" {
          blocks.append(Block(info: current.info, lines: current.lines, line: current.line))
          open = nil
        } else {
          open?.lines.append(line)
        }
      } else if line.hasPrefix("```") {
        open = (String(line.dropFirst(3)), index + 1, [])
      }
    }
    self.blocks = blocks
  }

  /// The blocks of that kind.
  func blocks(_ info: String) -> [Block] { blocks.filter { $0.info == info } }

  /// The only block of that kind.
  func block(_ info: String) throws -> Block {
    let found = blocks(info)
    try #require(found.count == 1, "\(path) has \(found.count) blocks of \(info)")
    return found[0]
  }
}
