import DaybookTestKit
import EventLog
import TestBasics

extension TestLog {
  /// What a file beside the log holds.
  func bytes(of name: String) throws -> [UInt8] { try TestFiles.bytes(dataFolder + "/" + name) }

  /// Makes a file beside the log of these bytes.
  func write(_ bytes: [UInt8], to name: String) throws { try TestFiles.write(bytes, to: dataFolder + "/" + name) }

  /// The positions that both heads are signed for; 0 where one states nothing.
  func heads() throws -> [UInt64] {
    try ["head", "head-2"].map { name in
      TestLog.check(String(decoding: try bytes(of: name).prefix { $0 != 0 }, as: UTF8.self))?.size ?? 0
    }
  }

  /// The positions that the vault's records are signed for; 0 where one states nothing.
  func kept() throws -> [UInt64] {
    let records = try configuration.vaultHead?.read() ?? []
    return records.map { TestLog.check(String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self))?.size ?? 0 }
  }
}
