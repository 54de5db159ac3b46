import CanonicalJSON
import Refusals

/// Writes messages as bytes, in canonical form (RFC 8785) so far as what is put in
/// is canonical. No line ending is added.
public enum MessageWriter {
  /// An answer whose result is JSON text already: it is put in as it is.
  public static func writeResult(_ result: [UInt8], id: RequestID, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + result.count + 48)
    output.append(contentsOf: idOpening)
    id.value.writeCanonical(into: &output)
    output.append(contentsOf: resultOpening)
    output.append(contentsOf: result)
    output.append(UInt8(ascii: "}"))
  }

  /// An answer that is an error.
  public static func writeError(_ error: Refusal, id: RequestID, into output: inout [UInt8]) {
    output.append(contentsOf: errorOpening)
    error.json.writeCanonical(into: &output)
    output.append(contentsOf: errorMiddle)
    id.value.writeCanonical(into: &output)
    output.append(contentsOf: errorEnding)
  }

  /// A notification whose params are JSON text already: they are put in as they are.
  public static func writeNotification(method: String, params: [UInt8], into output: inout [UInt8]) {
    output.append(contentsOf: methodOpening)
    JSONText.writeString(method, into: &output)
    output.append(contentsOf: paramsOpening)
    output.append(contentsOf: params)
    output.append(UInt8(ascii: "}"))
  }

  /// A call, or a notification where `id` is nil.
  public static func writeRequest(_ request: Request, into output: inout [UInt8]) {
    if let id = request.id {
      output.append(contentsOf: idOpening)
      id.value.writeCanonical(into: &output)
      output.append(contentsOf: requestMiddle)
    } else {
      output.append(contentsOf: methodOpening)
    }
    JSONText.writeString(request.method, into: &output)
    output.append(contentsOf: paramsOpening)
    request.params.writeCanonical(into: &output)
    output.append(UInt8(ascii: "}"))
  }

  private static let idOpening = Array(#"{"id":"#.utf8)
  private static let resultOpening = Array(#","jsonrpc":"2.0","result":"#.utf8)
  private static let errorOpening = Array(#"{"error":"#.utf8)
  private static let errorMiddle = Array(#","id":"#.utf8)
  private static let errorEnding = Array(#","jsonrpc":"2.0"}"#.utf8)
  private static let requestMiddle = Array(#","jsonrpc":"2.0","method":"#.utf8)
  private static let methodOpening = Array(#"{"jsonrpc":"2.0","method":"#.utf8)
  private static let paramsOpening = Array(#","params":"#.utf8)
}
