//! The data types of spec 3.1, each as a plain value, as sv2-core has it and as binary_sv2 has it.
#![allow(non_camel_case_types, clippy::upper_case_acronyms)] // the names are the specification's

use std::fmt::Debug;

use rand::Rng;
use rand::rngs::StdRng;
use stratum_core::binary_sv2::{
    B016MOwned, B032Owned, B064KOwned, B0255Owned, Seq064KOwned, Seq0255Owned, Str0255Owned, Sv2OptionOwned, U256Owned,
};
use stratum_core::common_messages_sv2::Protocol;
use sv2_core::wire::{self, List};

/// Which value is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Zeros, and nothing in strings and sequences.
    Least,
    /// The greatest number and the greatest length.
    Greatest,
    /// Anything: short, long, empty and full.
    Any,
}

/// A data type in its three forms.
pub trait DataType {
    /// What a test draws and compares.
    type Plain: Clone + PartialEq + Debug + Shown;
    /// What our struct borrows from, where that is not the plain value itself.
    type Backing<'a>;
    /// The field of our struct.
    type Ours<'a>;
    /// The field of their owned struct.
    type Theirs;

    fn draw(random: &mut StdRng, draw: Draw) -> Self::Plain;
    fn back(plain: &Self::Plain) -> Self::Backing<'_>;
    fn ours<'a>(backing: &'a Self::Backing<'a>) -> Self::Ours<'a>;
    fn theirs(plain: &Self::Plain) -> Self::Theirs;
    fn of_ours(field: Self::Ours<'_>) -> Self::Plain;
    fn of_theirs(field: &Self::Theirs) -> Self::Plain;
}

/// A plain value as [`Field`](crate::cpp::Field) has it.
pub trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($type:ty: $shown:expr;)*) => {
        $(
            impl Shown for $type {
                fn shown(&self) -> String {
                    let shown: fn(&$type) -> String = $shown;
                    shown(self)
                }
            }
        )*
    };
}

shown! {
    bool: |value| u8::from(*value).to_string();
    u8: u8::to_string;
    u16: u16::to_string;
    u32: u32::to_string;
    u64: u64::to_string;
    f32: |rate| rate.to_bits().to_string();
    [u8; 32]: |digits| hex::encode(digits.iter().rev().copied().collect::<Vec<u8>>());
    wire::U256: |number| number.0.shown();
    Vec<u8>: |bytes| hex::encode(bytes);
    Option<u32>: |number| number.map_or("-".into(), |number| number.to_string());
    Vec<u16>: |list| all_shown(list);
    Vec<u32>: |list| all_shown(list);
    Vec<wire::U256>: |list| all_shown(list);
    Vec<Vec<u8>>: |list| all_shown(list);
}

fn all_shown<T: Shown>(list: &[T]) -> String {
    format!("[{}]", list.iter().map(T::shown).collect::<Vec<String>>().join(", "))
}

macro_rules! number {
    ($name:ident, $type:ty) => {
        pub struct $name;

        impl DataType for $name {
            type Plain = $type;
            type Backing<'a> = $type;
            type Ours<'a> = $type;
            type Theirs = $type;

            fn draw(random: &mut StdRng, draw: Draw) -> $type {
                match draw {
                    Draw::Least => <$type>::MIN,
                    Draw::Greatest => <$type>::MAX,
                    Draw::Any => random.r#gen(),
                }
            }
            fn back(plain: &$type) -> $type {
                *plain
            }
            fn ours(backing: &$type) -> $type {
                *backing
            }
            fn theirs(plain: &$type) -> $type {
                *plain
            }
            fn of_ours(field: $type) -> $type {
                field
            }
            fn of_theirs(field: &$type) -> $type {
                *field
            }
        }
    };
}

number!(U16, u16);
number!(U32, u32);
number!(U64, u64);

/// A type whose two forms are made from the plain one by a formula.
macro_rules! data_type {
    (
        $name:ident, $plain:ty, ours $ours:ty, theirs $theirs:ty,
        draw: $draw:expr,
        ours: $to_ours:expr,
        theirs: $to_theirs:expr,
        of_ours: $of_ours:expr,
        of_theirs: $of_theirs:expr $(,)?
    ) => {
        pub struct $name;

        impl DataType for $name {
            type Plain = $plain;
            type Backing<'a> = &'a $plain;
            type Ours<'a> = $ours;
            type Theirs = $theirs;

            fn draw(random: &mut StdRng, draw: Draw) -> $plain {
                let draw_plain: fn(&mut StdRng, Draw) -> $plain = $draw;
                draw_plain(random, draw)
            }
            fn back(plain: &$plain) -> &$plain {
                plain
            }
            fn ours<'a>(backing: &'a &'a $plain) -> $ours {
                let to_ours: fn(&'a $plain) -> $ours = $to_ours;
                to_ours(backing)
            }
            fn theirs(plain: &$plain) -> $theirs {
                let to_theirs: fn(&$plain) -> $theirs = $to_theirs;
                to_theirs(plain)
            }
            fn of_ours<'a>(field: $ours) -> $plain {
                let of_ours: fn($ours) -> $plain = $of_ours;
                of_ours(field)
            }
            fn of_theirs(field: &$theirs) -> $plain {
                let of_theirs: fn(&$theirs) -> $plain = $of_theirs;
                of_theirs(field)
            }
        }
    };
}

data_type!(BOOL, bool, ours bool, theirs bool,
    draw: |random, draw| match draw {
        Draw::Least => false,
        Draw::Greatest => true,
        Draw::Any => random.r#gen(),
    },
    ours: |plain| *plain,
    theirs: |plain| *plain,
    of_ours: |field| field,
    of_theirs: |field| *field,
);

// A rate: neither negative nor infinite nor NaN.
data_type!(F32, f32, ours f32, theirs f32,
    draw: |random, draw| match draw {
        Draw::Least => 0.0,
        Draw::Greatest => f32::MAX,
        Draw::Any => f32::from_bits(random.gen_range(0..f32::INFINITY.to_bits())),
    },
    ours: |plain| *plain,
    theirs: |plain| *plain,
    of_ours: |field| field,
    of_theirs: |field| *field,
);

// The subprotocol in SetupConnection: a U8 with us, an enum of three with them.
data_type!(PROTOCOL, u8, ours u8, theirs Protocol,
    draw: |random, draw| match draw {
        Draw::Least => 0,
        Draw::Greatest => 2,
        Draw::Any => random.gen_range(0..=2),
    },
    ours: |plain| *plain,
    theirs: |plain| Protocol::try_from(*plain).expect("one of three"),
    of_ours: |field| field,
    of_theirs: |field| *field as u8,
);

data_type!(U256, [u8; 32], ours wire::U256, theirs U256Owned,
    draw: u256,
    ours: |plain| wire::U256(*plain),
    theirs: |plain| (*plain).into(),
    of_ours: |field| field.0,
    of_theirs: |field| field.to_array(),
);

data_type!(STR0_255, Vec<u8>, ours wire::Str<'a>, theirs Str0255Owned,
    draw: |random, draw| bytes(random, draw, 255),
    ours: |plain| wire::Str(plain),
    theirs: |plain| plain.clone().try_into().expect("at most 255 bytes"),
    of_ours: |field| field.0.to_vec(),
    of_theirs: |field| field.as_bytes().to_vec(),
);

data_type!(B0_32, Vec<u8>, ours &'a [u8], theirs B032Owned,
    draw: |random, draw| bytes(random, draw, 32),
    ours: |plain| plain,
    theirs: |plain| plain.clone().try_into().expect("at most 32 bytes"),
    of_ours: |field| field.to_vec(),
    of_theirs: |field| field.as_bytes().to_vec(),
);

data_type!(B0_255, Vec<u8>, ours &'a [u8], theirs B0255Owned,
    draw: |random, draw| bytes(random, draw, 255),
    ours: |plain| plain,
    theirs: |plain| plain.clone().try_into().expect("at most 255 bytes"),
    of_ours: |field| field.to_vec(),
    of_theirs: |field| field.as_bytes().to_vec(),
);

data_type!(B0_64K, Vec<u8>, ours &'a [u8], theirs B064KOwned,
    draw: |random, draw| bytes(random, draw, 65_535),
    ours: |plain| plain,
    theirs: |plain| plain.clone().try_into().expect("at most 65,535 bytes"),
    of_ours: |field| field.to_vec(),
    of_theirs: |field| field.as_bytes().to_vec(),
);

data_type!(OPTION_U32, Option<u32>, ours Option<u32>, theirs Sv2OptionOwned<u32>,
    draw: |random, draw| match draw {
        Draw::Least => None,
        Draw::Greatest => Some(u32::MAX),
        Draw::Any => random.r#gen(),
    },
    ours: |plain| *plain,
    theirs: |plain| Sv2OptionOwned::new(*plain),
    of_ours: |field| field,
    of_theirs: |field| field.as_ref().copied(),
);

data_type!(SEQ0_255_U256, Vec<wire::U256>, ours List<'a, wire::U256>, theirs Seq0255Owned<U256Owned>,
    draw: |random, draw| sequence(random, draw, 255, |random| wire::U256(u256(random, draw))),
    ours: |plain| List::Items(plain),
    theirs: |plain| Seq0255Owned::new(their_u256s(plain)).expect("at most 255 elements"),
    of_ours: |field| field.iter().collect(),
    of_theirs: |field| our_u256s(field.as_slice()),
);

data_type!(SEQ0_64K_U256, Vec<wire::U256>, ours List<'a, wire::U256>, theirs Seq064KOwned<U256Owned>,
    draw: |random, draw| sequence(random, draw, 65_535, |random| wire::U256(u256(random, draw))),
    ours: |plain| List::Items(plain),
    theirs: |plain| Seq064KOwned::new(their_u256s(plain)).expect("at most 65,535 elements"),
    of_ours: |field| field.iter().collect(),
    of_theirs: |field| our_u256s(field.as_slice()),
);

data_type!(SEQ0_64K_U16, Vec<u16>, ours List<'a, u16>, theirs Seq064KOwned<u16>,
    draw: |random, draw| sequence(random, draw, 65_535, |random| U16::draw(random, draw)),
    ours: |plain| List::Items(plain),
    theirs: |plain| Seq064KOwned::new(plain.clone()).expect("at most 65,535 elements"),
    of_ours: |field| field.iter().collect(),
    of_theirs: |field| field.as_slice().to_vec(),
);

data_type!(SEQ0_64K_U32, Vec<u32>, ours List<'a, u32>, theirs Seq064KOwned<u32>,
    draw: |random, draw| sequence(random, draw, 65_535, |random| U32::draw(random, draw)),
    ours: |plain| List::Items(plain),
    theirs: |plain| Seq064KOwned::new(plain.clone()).expect("at most 65,535 elements"),
    of_ours: |field| field.iter().collect(),
    of_theirs: |field| field.as_slice().to_vec(),
);

/// Transactions. Not more than fit into one frame: 65,535 short ones, or few long ones.
pub struct SEQ0_64K_B0_16M;

impl DataType for SEQ0_64K_B0_16M {
    type Plain = Vec<Vec<u8>>;
    type Backing<'a> = Vec<&'a [u8]>;
    type Ours<'a> = List<'a, &'a [u8]>;
    type Theirs = Seq064KOwned<B016MOwned>;

    fn draw(random: &mut StdRng, draw: Draw) -> Vec<Vec<u8>> {
        sequence(random, draw, 65_535, |random| {
            let len = if random.gen_ratio(1, 50) { 70_000 } else { random.gen_range(0..300) };
            many(random, if draw == Draw::Greatest { len % 100 } else { len })
        })
    }
    fn back(plain: &Vec<Vec<u8>>) -> Vec<&[u8]> {
        plain.iter().map(Vec::as_slice).collect()
    }
    fn ours<'a>(backing: &'a Vec<&'a [u8]>) -> List<'a, &'a [u8]> {
        List::Items(backing)
    }
    fn theirs(plain: &Vec<Vec<u8>>) -> Seq064KOwned<B016MOwned> {
        let transactions = plain.iter().map(|transaction| transaction.clone().try_into().expect("below 16 MiB"));
        Seq064KOwned::new(transactions.collect()).expect("at most 65,535 elements")
    }
    fn of_ours(field: List<'_, &[u8]>) -> Vec<Vec<u8>> {
        field.iter().map(<[u8]>::to_vec).collect()
    }
    fn of_theirs(field: &Seq064KOwned<B016MOwned>) -> Vec<Vec<u8>> {
        field.as_slice().iter().map(|transaction| transaction.as_bytes().to_vec()).collect()
    }
}

fn their_u256s(plain: &[wire::U256]) -> Vec<U256Owned> {
    plain.iter().map(|element| element.0.into()).collect()
}

fn our_u256s(theirs: &[U256Owned]) -> Vec<wire::U256> {
    theirs.iter().map(|element| wire::U256(element.to_array())).collect()
}

fn u256(random: &mut StdRng, draw: Draw) -> [u8; 32] {
    match draw {
        Draw::Least => [0; 32],
        Draw::Greatest => [0xff; 32],
        Draw::Any => random.r#gen(),
    }
}

fn bytes(random: &mut StdRng, draw: Draw, max: usize) -> Vec<u8> {
    let len = length(random, draw, max);
    many(random, len)
}

fn many(random: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill(&mut bytes[..]);
    bytes
}

fn sequence<T>(random: &mut StdRng, draw: Draw, max: usize, mut element: impl FnMut(&mut StdRng) -> T) -> Vec<T> {
    // The greatest sequence is long enough for once.
    let len = length(random, draw, if draw == Draw::Greatest { max } else { max.min(300) });
    (0..len).map(|_| element(random)).collect()
}

/// Short lengths often, none and the greatest now and then.
fn length(random: &mut StdRng, draw: Draw, max: usize) -> usize {
    match draw {
        Draw::Least => 0,
        Draw::Greatest => max,
        Draw::Any => match random.gen_range(0..16) {
            0 => 0,
            1 => max,
            2..8 => random.gen_range(0..=max),
            _ => random.gen_range(0..=max.min(40)),
        },
    }
}
