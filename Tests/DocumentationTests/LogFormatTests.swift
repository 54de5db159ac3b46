import CanonicalJSON
import Crypto
import Foundation
import Testing

/// The examples of the page on the log's format, read with nothing but what the page
/// says: SHA-256, HMAC, AES-GCM, Ed25519 and a JSON parser. Nothing of EventLog,
/// MerkleTree or Vault is used here, so the page stays enough to read a log.
@Suite struct LogFormatTests {
  private let page = Page.named("LogFormat")

  @Test func `the header commits to the body by its hash`() throws {
    let header = try json(page.block("text record-header").text)
    let body = Data(try page.block("text record-body").text.utf8)
    #expect(header["body"]?.stringValue == Data(SHA256.hash(data: body)).base64EncodedString())
  }

  @Test func `the records are in canonical form`() throws {
    for name in ["text record-header", "text record-body"] {
      let text = try page.block(name).text
      #expect(try json(text).canonicalString == text)
    }
  }

  @Test func `the header is the fourth leaf and the leaves have the root`() throws {
    var lines = try page.block("text tree").lines
    let root = try #require(lines.popLast()?.split(separator: " ").last.map(String.init))
    let leaves = try lines.map { try #require(Data(base64Encoded: $0)) }
    var input = Data([0])
    input.append(contentsOf: try page.block("text record-header").text.utf8)
    #expect(Data(SHA256.hash(data: input)) == leaves[3])
    #expect(Self.root(leaves[...]).base64EncodedString() == root)
    let note = try page.block("text note").lines
    #expect(note[1] == "\(leaves.count)")
    #expect(note[2] == root)
  }

  @Test func `the note is signed by the signing key under its name`() throws {
    let lines = try page.block("text note").lines
    let text = lines[...2].map { $0 + "\n" }.joined()
    let words = try #require(lines.last?.split(separator: " ").map(String.init))
    try #require(words.count == 3 && words[0] == "—" && words[1] == lines[0])
    let signature = try #require(Data(base64Encoded: words[2]))
    let signer = try Curve25519.Signing.PrivateKey(rawRepresentation: try key(ofKind: "signing").key)
    let publicKey = signer.publicKey.rawRepresentation
    #expect(lines[0] == "daybook/" + Self.hex(publicKey.prefix(8)))
    var named = Data(words[1].utf8)
    named.append(contentsOf: [0x0A, 0x01])
    named.append(publicKey)
    #expect(Data(SHA256.hash(data: named)).prefix(4) == signature.prefix(4))
    #expect(signer.publicKey.isValidSignature(Data(signature.dropFirst(4)), for: Data(text.utf8)))
  }

  @Test func `the fingerprint of the root key is the one in the epoch key's file`() throws {
    let root = SymmetricKey(data: try rootKey())
    let code = Data(HMAC<SHA256>.authenticationCode(for: Data("daybook root key".utf8), using: root))
    let file = try json(page.block("text epoch-key").text)
    #expect(file["root_key"]?.stringValue == Self.hex(code.prefix(8)))
  }

  @Test func `every line of the key store opens under the epoch key`() throws {
    let lines = try page.block("text keys").lines
    for index in 1..<lines.count { #expect(try self.key(line: index, of: lines).key.count == 32) }
  }

  @Test func `the reason opens by the four steps of the page`() throws {
    let header = try json(page.block("text record-header").text)
    let body = try json(page.block("text record-body").text)
    let token = try #require(body["reason"]?["$sealed"]?.stringValue.flatMap { Data(base64Encoded: $0) })
    try #require(token[0] == 1)
    let (id, data) = try key(ofKind: "organization")
    #expect(token[1..<17] == id)
    let resource = try #require(header["resource"]?.stringValue.flatMap(Self.bytes))
    func context(_ field: String) -> Data {
      var context = Data(token[..<37])
      context.append(resource)
      context.append(Self.bigEndian(UInt32(field.utf8.count)))
      context.append(contentsOf: field.utf8)
      return context
    }
    func open(_ field: String) throws -> Data {
      var info = Data("daybook sealed value".utf8)
      info.append(context(field))
      info.append(1)
      let code = HMAC<SHA256>.authenticationCode(for: info, using: SymmetricKey(data: data))
      let box = try AES.GCM.SealedBox(combined: Data(token[37...]))
      return try AES.GCM.open(box, using: SymmetricKey(data: Data(code)), authenticating: context(field))
    }
    let opened = try page.block("text opened").text
    #expect(String(decoding: try open("reason"), as: UTF8.self) == opened)
    #expect(throws: (any Error).self) { try open("origin") }
  }

  // MARK: - As the page says

  private func json(_ text: String) throws -> JSON { try JSON.parse(Array(text.utf8)) }

  private func rootKey() throws -> Data {
    try #require(Data(base64Encoded: try page.block("text root-key").text))
  }

  private func epochKey() throws -> (epoch: UInt64, key: Data) {
    let object = try json(page.block("text epoch-key").text)
    let epoch = UInt64(try #require(object["epoch"]?.integerValue))
    var associated = Data("daybook epoch key".utf8)
    associated.append(Self.bigEndian(epoch))
    return (epoch, try Self.unwrap(object["wrapped"], under: try rootKey(), associated))
  }

  private func key(ofKind kind: String) throws -> (id: Data, key: Data) {
    let lines = try page.block("text keys").lines
    let index = try #require(try lines.firstIndex { try json($0)["kind"]?.stringValue == kind })
    return try key(line: index, of: lines)
  }

  /// The key of a line, which is counted from 0 here and from 1 in the file.
  private func key(line index: Int, of lines: [String]) throws -> (id: Data, key: Data) {
    let (epoch, epochKey) = try epochKey()
    var object = try #require(try json(lines[index]).objectValue)
    let wrapped = object.removeValue(forKey: "wrapped")
    var associated = Data("daybook key".utf8)
    associated.append(Self.bigEndian(epoch))
    associated.append(Self.bigEndian(UInt64(index + 1)))
    associated.append(contentsOf: object.canonicalBytes)
    let id = try #require(object["id"]?.stringValue.flatMap(Self.bytes))
    return (id, try Self.unwrap(wrapped, under: epochKey, associated))
  }

  private static func unwrap(_ wrapped: JSON?, under key: Data, _ associated: Data) throws -> Data {
    let bytes = try #require(wrapped?.stringValue.flatMap { Data(base64Encoded: $0) })
    let box = try AES.GCM.SealedBox(combined: bytes)
    return try AES.GCM.open(box, using: SymmetricKey(data: key), authenticating: associated)
  }

  /// The root of RFC 6962 §2.1, straight from its definition.
  private static func root(_ leaves: ArraySlice<Data>) -> Data {
    guard leaves.count > 1 else { return leaves.first ?? Data(SHA256.hash(data: Data())) }
    var size = 1
    while size * 2 < leaves.count { size *= 2 }
    let middle = leaves.startIndex + size
    var input = Data([1])
    input.append(root(leaves[..<middle]))
    input.append(root(leaves[middle...]))
    return Data(SHA256.hash(data: input))
  }

  private static func hex(_ bytes: Data) -> String { bytes.map { String(format: "%02x", $0) }.joined() }

  private static func bytes(_ text: String) -> Data? {
    UUID(uuidString: text).map { uuid in withUnsafeBytes(of: uuid.uuid) { Data($0) } }
  }

  private static func bigEndian(_ value: some FixedWidthInteger) -> Data {
    withUnsafeBytes(of: value.bigEndian) { Data($0) }
  }
}
