import Foundation

/// Files as bytes and texts.
package enum TestFiles {
  package static func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// The text of a file; empty where there is none yet.
  package static func text(_ path: String) -> String {
    (try? String(decoding: bytes(path), as: UTF8.self)) ?? ""
  }

  package static func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// Makes a folder and those above it.
  package static func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// The last lines of a text file.
  package static func tail(_ path: String, lines: Int = 25) -> String {
    text(path).split(separator: "\n").suffix(lines).joined(separator: "\n")
  }
}
