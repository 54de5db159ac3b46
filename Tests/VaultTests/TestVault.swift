import BasicTypes
import CanonicalJSON
import Crypto
import Failpoints
import Foundation
import TestBasics
import Testing

@testable import Vault

/// A data folder of its own with room for a vault, gone with it.
final class TestVault: Sendable {
  private let home: TemporaryFolder

  var base: String { home.path }

  var data: String { base + "/data" }
  var folder: String { data + "/vault" }
  var rootKeyFile: String { data + ".root-key" }

  init() throws { home = try TemporaryFolder() }

  func open(failpoints: Failpoints = .none) throws -> Vault {
    try Vault.open(folder: folder, failpoints: failpoints)
  }

  func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
  }

  func write(_ bytes: [UInt8], to name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
  }

  func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder).sorted() }

  func mode(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.posixPermissions] as? Int)
  }

  /// Whether any file below the base folder holds the bytes.
  func holds(_ needle: [UInt8]) throws -> Bool {
    for path in try FileManager.default.subpathsOfDirectory(atPath: base) {
      var isFolder: ObjCBool = false
      let file = "\(base)/\(path)"
      guard FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), !isFolder.boolValue else { continue }
      if try Data(contentsOf: URL(fileURLWithPath: file)).range(of: Data(needle)) != nil { return true }
    }
    return false
  }
}

/// The code of the ``VaultError`` that the closure throws; nil where it throws none.
func errorCode(_ body: () throws -> Void) throws -> VaultError.Code? {
  do {
    try body()
    return nil
  } catch let error as VaultError {
    #expect(!error.message.isEmpty)
    return error.code
  }
}

let alice = KeyOwner.subject(Identifier(high: 1, low: 1))
let bob = KeyOwner.subject(Identifier(high: 2, low: 2))
let acme = KeyOwner.organization(Identifier(high: 3, low: 3))
let november = KeyOwner.expiring(
  organization: Identifier(high: 3, low: 3), retentionClass: "logs", month: "2026-11")
let place = SealContext(
  eventID: Identifier(high: 7, low: 70), resourceID: Identifier(high: 8, low: 80), field: "email")

extension Vault {
  func seal(_ value: JSON, for owner: KeyOwner) throws -> JSON { try seal(value, for: owner, context: place) }
  func open(_ token: JSON) throws -> Opened {
    try open(token, resourceID: place.resourceID, field: place.field)
  }
}
