import CanonicalJSON
import NIOCore
import Protocol
import Refusals

/// The client's end of a connection: matches answers with the calls that wait for them. Confined to its event loop.
final class ClientHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = Outgoing
  typealias OutboundOut = ByteBuffer

  /// Something to send, and who waits for its answer.
  struct Outgoing: Sendable {
    enum Expectation: Sendable {
      case nothing
      case response(Int64, EventLoopPromise<Response>)
      case batch([Int64], EventLoopPromise<[Response]>)
    }

    let bytes: ByteBuffer
    let expectation: Expectation
  }

  private final class WaitingBatch {
    let promise: EventLoopPromise<[Response]>
    let ids: [Int64]

    init(_ promise: EventLoopPromise<[Response]>, ids: [Int64]) {
      self.promise = promise
      self.ids = ids
    }
  }

  private var framer: LineFramer
  private let notifications: NotificationQueue
  private var responses: [Int64: EventLoopPromise<Response>] = [:]
  private var batches: [Int64: WaitingBatch] = [:]
  private var holdsRead = false
  private var fault: ClientError?
  private var context: ChannelHandlerContext?

  init(maximumLine: Int, notifications: NotificationQueue) {
    framer = LineFramer(maximumLength: maximumLine)
    self.notifications = notifications
  }

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    end()
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let outgoing = unwrapOutboundIn(data)
    if let fault { return promise?.fail(fault) ?? () }
    switch outgoing.expectation {
    case .nothing: break
    case .response(let id, let waiting): responses[id] = waiting
    case .batch(let ids, let waiting):
      let batch = WaitingBatch(waiting, ids: ids)
      for id in ids { batches[id] = batch }
    }
    context.write(wrapOutboundOut(outgoing.bytes), promise: promise)
  }

  func read(context: ChannelHandlerContext) {
    holdsRead = !notifications.hasRoom()
    if !holdsRead { context.read() }
  }

  /// Reads on, if reading was held back.
  func resumeReading() {
    guard holdsRead, let context else { return }
    holdsRead = false
    context.read()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    framer.append(unwrapInboundIn(data))
    while let frame = framer.next() {
      switch frame {
      case .tooLong:
        fail(.malformed("a line is longer than \(framer.maximumLength) bytes"), context)
      case .line(let line):
        do throws(Refusal) {
          take(try ServerMessage(line: line), context)
        } catch {
          fail(.malformed(error.message), context)
        }
      }
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(.closed(String(describing: error)), context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  private func take(_ message: ServerMessage, _ context: ChannelHandlerContext) {
    switch message {
    case .notification(let method, let params):
      notifications.push(ServerNotification(method: method, params: params))
    case .response(let response):
      if let number = response.id.value.integerValue {
        if let waiting = responses.removeValue(forKey: number) {
          waiting.succeed(response)
        } else if let batch = batches[number] {
          // A server may refuse one call of a batch outside of the array only by not speaking the protocol.
          finish(batch, with: [response])
        }
      } else if case .failure(let error) = response.outcome {
        // An error without an id is about a line that the server couldn't read: no call can be told from it any more.
        fail(.remote(error), context)
      }
    case .batch(let all):
      let first = all.lazy.compactMap { $0.id.value.integerValue.flatMap { self.batches[$0] } }.first
      if let first { finish(first, with: all) }
    }
  }

  private func finish(_ batch: WaitingBatch, with responses: [Response]) {
    for id in batch.ids { batches[id] = nil }
    batch.promise.succeed(responses)
  }

  private func fail(_ error: ClientError, _ context: ChannelHandlerContext) {
    if fault == nil { fault = error }
    // Before the close, which fails what is still being written with its own, poorer reason.
    end()
    context.close(promise: nil)
  }

  private func end() {
    let error = fault ?? ClientError.closed("the server closed it")
    fault = error
    let waiting = responses
    responses = [:]
    for promise in waiting.values { promise.fail(error) }
    let waitingBatches = batches
    batches = [:]
    for (id, batch) in waitingBatches where batch.ids.first == id { batch.promise.fail(error) }
    notifications.end()
  }
}
