import BasicTypes
import CanonicalJSON
import Crypto
import MerkleTree
import Refusals
import Vault

/// Makes and opens cursors: where a page ended, sealed, so that a client can keep one without learning or changing
/// what is in it.
///
/// A cursor is bound to the query that made it (the associated data of AES-256-GCM is a hash of that query): with
/// another method, filter or order it doesn't open. The key is derived from a key of the vault that stays when epochs
/// change, so cursors outlive a restart.
struct CursorSealer: Sendable {
  private let key: SymmetricKey

  init(vault: Vault) {
    key = SymmetricKey(data: vault.lookupHash("queries.cursor.v1", []))
  }

  /// The cursor that holds `place` for the query of that description.
  func seal(_ place: JSON, query: JSON) throws -> String {
    let box = try AES.GCM.seal(place.canonicalBytes, using: key, authenticating: Self.binding(query))
    guard let combined = box.combined else { throw Refusal.internalError("a cursor could not be sealed") }
    return Self.urlSafe(Base64.encode(Array(combined)))
  }

  /// What ``seal(_:query:)`` put in.
  /// - Throws: ``Refusal`` `invalid_params` where the cursor is not one that this query made.
  func open(_ cursor: String, query: JSON) throws -> JSON {
    let refusal = Refusal.invalidParams([
      ("/cursor", "is not a cursor of this query: send the same where and order as for the page that it came from")
    ])
    guard let bytes = Base64.decode(Self.padded(cursor)) else { throw refusal }
    do {
      let box = try AES.GCM.SealedBox(combined: bytes)
      return try JSON.parse(Array(AES.GCM.open(box, using: key, authenticating: Self.binding(query))))
    } catch {
      // Whatever was wrong with it, to the caller it is no cursor of this query.
      throw refusal
    }
  }

  /// The place that a call's cursor holds; nil for the first page.
  /// - Throws: ``Refusal`` `invalid_params` where the cursor is not one that this query made.
  func place<Place>(_ cursor: String?, of query: JSON, _ read: (JSON) -> Place?) throws -> Place? {
    guard let cursor else { return nil }
    guard let place = read(try open(cursor, query: query)) else {
      throw Refusal.invalidParam("/cursor", "is not a cursor of this query")
    }
    return place
  }

  private static func binding(_ query: JSON) -> [UInt8] {
    Array(SHA256.hash(data: query.canonicalBytes))
  }

  private static func urlSafe(_ text: String) -> String {
    String(
      decoding: text.utf8.lazy.filter { $0 != UInt8(ascii: "=") }.map { byte in
        switch byte {
        case UInt8(ascii: "+"): UInt8(ascii: "-")
        case UInt8(ascii: "/"): UInt8(ascii: "_")
        default: byte
        }
      }, as: UTF8.self)
  }

  private static func padded(_ text: String) -> String {
    var bytes = text.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "-"): UInt8(ascii: "+")
      case UInt8(ascii: "_"): UInt8(ascii: "/")
      default: byte
      }
    }
    while bytes.count % 4 != 0 { bytes.append(UInt8(ascii: "=")) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
