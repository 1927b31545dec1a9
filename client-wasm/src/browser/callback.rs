//! What the browser calls: one function for all occasions, bound to the occasion. A closure type for each would cost the
//! page a kilobyte.

use wasm_bindgen::prelude::*;

use super::Function;

#[wasm_bindgen]
extern "C" {
    /// A function that is to be bound.
    type Bindable;
    #[wasm_bindgen(method)]
    fn bind(this: &Bindable, this_argument: &JsValue, occasion: u32, number: u32, subject: &JsValue) -> Function;
}

/// Why the browser calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Occasion {
    /// An unnamed frame has come: a `MessageEvent`.
    Record,
    /// A named frame has come, or the stream has failed: a `MessageEvent` or `Event`.
    Control,
    /// The timer fires.
    Tick,
    /// The microtask ends.
    Flush,
    /// Something befell the page: an `Event`.
    World,
    /// The request of this number has an answer: a `Response`.
    Head,
    /// The body of the answer that is the subject is there: a text.
    Body,
    /// The request of this number failed.
    Failed,
}

/// Each at the index that is its number.
const OCCASIONS: [Occasion; 8] = [
    Occasion::Record,
    Occasion::Control,
    Occasion::Tick,
    Occasion::Flush,
    Occasion::World,
    Occasion::Head,
    Occasion::Body,
    Occasion::Failed,
];

/// The one function.
#[derive(Debug)]
pub(crate) struct Callback(Closure<dyn Fn(u32, u32, JsValue, JsValue)>);

impl Callback {
    /// Calls `call` with what it is bound to (the occasion, a number, a subject), and what the browser brings.
    pub(crate) fn new(call: impl Fn(Occasion, u32, JsValue, JsValue) + 'static) -> Self {
        Self(Closure::new(move |occasion, number, subject, value| {
            let index = usize::try_from(occasion).unwrap_or(usize::MAX);
            if let Some(occasion) = OCCASIONS.get(index) {
                call(*occasion, number, subject, value);
            }
        }))
    }

    /// The function for one occasion.
    pub(crate) fn on(&self, occasion: Occasion) -> Function {
        self.about(occasion, 0, &JsValue::UNDEFINED)
    }

    /// The function for one occasion of one request.
    pub(crate) fn about(&self, occasion: Occasion, number: u32, subject: &JsValue) -> Function {
        let function: &Bindable = self.0.as_ref().unchecked_ref();
        function.bind(&JsValue::UNDEFINED, occasion as u32, number, subject)
    }
}
