//! Hashrate, share rate, difficulty and target, against arithmetic with whole numbers of any size.

mod bitcoin_data;

use bitcoin_data::Numbers;
use std::cmp::Ordering;
use sv2_core::bitcoin::Target;
use sv2_core::mining::hashrate::{hashrate_of, nominal_hash_rate, target_for};

/// A whole number of any size: 32-bit digits, least significant first, without zeros at the end.
#[derive(Clone, PartialEq, Eq)]
struct Whole(Vec<u32>);

impl Whole {
    fn new(value: u64) -> Self {
        Self(vec![value as u32, (value >> 32) as u32]).trimmed()
    }

    fn of(target: &Target) -> Self {
        Self(target.0.chunks(4).map(|digit| u32::from_le_bytes(digit.try_into().unwrap())).collect()).trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn times(&self, other: &Self) -> Self {
        let mut digits = vec![0_u32; self.0.len() + other.0.len() + 1];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0;
            for (j, place) in digits[i..].iter_mut().enumerate() {
                let b = other.0.get(j).copied().unwrap_or_default();
                let sum = u64::from(*a) * u64::from(b) + u64::from(*place) + carry;
                *place = sum as u32;
                carry = sum >> 32;
            }
        }
        Self(digits).trimmed()
    }

    fn shifted(&self, bits: u32) -> Self {
        let mut digits = vec![0; bits as usize / 32];
        digits.extend(&self.0);
        Self(digits).times(&Self::new(1 << (bits % 32)))
    }

    fn plus_one(&self) -> Self {
        let mut digits = self.0.clone();
        digits.push(0);
        for digit in &mut digits {
            let carry;
            (*digit, carry) = digit.overflowing_add(1);
            if !carry {
                break;
            }
        }
        Self(digits).trimmed()
    }
}

impl PartialOrd for Whole {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let by_length = self.0.len().cmp(&other.0.len());
        Some(by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev())))
    }
}

/// A fraction of whole numbers.
struct Ratio {
    over: Whole,
    under: Whole,
}

impl Ratio {
    fn whole(value: Whole) -> Self {
        Self { over: value, under: Whole::new(1) }
    }

    /// `significand * 2^exponent`.
    fn scaled(significand: u64, exponent: i32) -> Self {
        let shifted = Whole::new(1).shifted(exponent.unsigned_abs());
        if exponent < 0 {
            Self { over: Whole::new(significand), under: shifted }
        } else {
            Self::whole(Whole::new(significand).times(&shifted))
        }
    }

    /// An `f64` as what it is, exactly.
    fn exact(value: f64) -> Self {
        let (significand, exponent) = parts(value);
        Self::scaled(significand, exponent)
    }

    fn times(&self, other: &Self) -> Self {
        Self { over: self.over.times(&other.over), under: self.under.times(&other.under) }
    }

    fn divided_by(&self, other: &Self) -> Self {
        Self { over: self.over.times(&other.under), under: self.under.times(&other.over) }
    }

    fn is_at_most(&self, other: &Self) -> bool {
        self.over.times(&other.under) <= other.over.times(&self.under)
    }
}

fn parts(value: f64) -> (u64, i32) {
    assert!(value.is_normal() && value > 0.0);
    let bits = value.to_bits();
    (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52) as i32 - 1075)
}

/// That no `f64` is nearer to a fraction than this one.
fn assert_nearest(value: f64, exact: &Ratio) {
    let (significand, exponent) = parts(value);
    // Half a unit in the last place to each side. (Below a power of two the next number is nearer: half of that.)
    let below =
        if significand == 1 << 52 { (4 * significand - 1, exponent - 2) } else { (2 * significand - 1, exponent - 1) };
    assert!(Ratio::scaled(below.0, below.1).is_at_most(exact), "{value} is too large");
    assert!(exact.is_at_most(&Ratio::scaled(2 * significand + 1, exponent - 1)), "{value} is too small");
}

/// That `target` is the largest whole number that is not larger than a fraction, less `less`.
fn assert_floor(target: &Target, exact: &Ratio, less: u32) {
    let mut whole = Whole::of(target);
    (0..less).for_each(|_| whole = whole.plus_one());
    assert!(Ratio::whole(whole.clone()).is_at_most(exact), "{target} is too large");
    assert!(!Ratio::whole(whole.plus_one()).is_at_most(exact), "{target} is too small");
}

fn difficulty_1() -> Ratio {
    Ratio::scaled(0xffff, 208)
}

/// 2^256 / (target + 1).
fn work_of(target: &Target) -> Ratio {
    Ratio::scaled(1, 256).divided_by(&Ratio::whole(Whole::of(target).plus_one()))
}

/// Any number between two powers of two.
fn between(numbers: &mut Numbers, lowest: i32, highest: i32) -> f64 {
    let exponent = lowest + numbers.below((highest - lowest) as usize) as i32;
    (1.0 + (numbers.next() >> 12) as f64 / 2_f64.powi(52)) * 2_f64.powi(exponent)
}

fn any_target(numbers: &mut Numbers) -> Target {
    let mut target = Target([0; 32]);
    let length = 1 + numbers.below(32);
    target.0[..length].fill_with(|| numbers.next() as u8);
    target.0[length - 1] |= 1;
    target
}

#[test]
fn the_target_of_any_difficulty_is_exact() {
    let mut numbers = Numbers(1);
    for _ in 0..4_000 {
        let difficulty = between(&mut numbers, -31, 220);
        let target = Target::from_difficulty(difficulty).unwrap();
        assert_floor(&target, &difficulty_1().divided_by(&Ratio::exact(difficulty)), 0);
    }
    // Those of Stratum V1 that are fractions.
    for difficulty in [0.001, 0.01, 0.1, 1.0 / 3.0, 0.5, 1.5, 1234.5678, 65_535.75, 1e14 + 0.5] {
        let target = Target::from_difficulty(difficulty).unwrap();
        assert_floor(&target, &difficulty_1().divided_by(&Ratio::exact(difficulty)), 0);
    }
}

#[test]
fn the_difficulty_and_the_work_of_any_target_are_the_nearest_numbers() {
    let mut numbers = Numbers(2);
    for _ in 0..4_000 {
        let target = any_target(&mut numbers);
        assert_nearest(target.difficulty(), &difficulty_1().divided_by(&Ratio::whole(Whole::of(&target))));
        assert_nearest(target.work(), &work_of(&target));
    }
}

#[test]
fn the_target_for_any_hashrate_is_exact() {
    let mut numbers = Numbers(3);
    for _ in 0..4_000 {
        let hashrate = between(&mut numbers, 0, 128);
        let shares = between(&mut numbers, -10, 6);
        let work = Ratio::exact(hashrate).times(&Ratio::scaled(60, 0)).divided_by(&Ratio::exact(shares));
        let Some(target) = target_for(hashrate, shares) else { panic!("{hashrate} h/s, {shares} shares a minute") };
        if target == Target::MAX {
            assert!(work.is_at_most(&Ratio::scaled(1, 0)), "{hashrate} h/s, {shares} shares a minute");
        } else {
            assert_floor(&target, &Ratio::scaled(1, 256).divided_by(&work), 1);
        }
    }
}

#[test]
fn the_hashrate_of_any_target_is_the_nearest_number() {
    let mut numbers = Numbers(4);
    for _ in 0..4_000 {
        let (target, shares) = (any_target(&mut numbers), between(&mut numbers, -20, 20));
        let hashrate = hashrate_of(&target, shares).unwrap();
        let exact = work_of(&target).times(&Ratio::exact(shares)).divided_by(&Ratio::scaled(60, 0));
        assert_nearest(hashrate, &exact);
    }
}

#[test]
fn a_hashrate_comes_back_from_its_target() {
    for hashrate in [1e6, 1.234e9, 5e11, 1e12, 1e15, 3.3e18, 1e21] {
        for shares in [0.5, 6.0, 8.0, 18.0, 60.0] {
            let target = target_for(hashrate, shares).unwrap();
            assert!((hashrate_of(&target, shares).unwrap() / hashrate - 1.0).abs() < 1e-15, "{hashrate}, {shares}");
            assert!((target.work() * shares / (60.0 * hashrate) - 1.0).abs() < 1e-15, "{hashrate}, {shares}");
        }
    }
    // 1 TH/s and 6 shares a minute: 10^13 hashes for a share, of difficulty 2328.3: 2^256 / 10^13 - 1.
    let target = target_for(1e12, 6.0).unwrap();
    assert_eq!(target.to_string(), "00000000001c25c268497681c2650cb4be40d60df7311e9872477f201c409ebf");
}

#[test]
fn work_is_what_a_node_adds_to_the_chainwork() {
    // 0x0100010001 for the genesis block, in whole hashes.
    assert_eq!(Target::from_nbits(0x1d00ffff).unwrap().work(), 4_295_032_833.0 + 1.0 / 65_535.0);
    assert_eq!(Target::MAX.work(), 1.0);
    assert_eq!(Target([0; 32]).work(), 2_f64.powi(256));
    let mut half = Target::MAX;
    half.0[31] = 0x7f;
    assert_eq!(half.work(), 2.0);
    assert_eq!(Target([0; 32]).difficulty(), f64::INFINITY);
}

#[test]
fn what_is_no_rate_has_no_target_and_no_hashrate() {
    for strange in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, -1.0] {
        assert_eq!(target_for(strange, 6.0), None, "{strange}");
        assert_eq!(target_for(1e12, strange), None, "{strange}");
        assert_eq!(hashrate_of(&Target::MAX, strange), None, "{strange}");
    }
    // Harder than any target, and as easy as can be.
    assert_eq!(target_for(1e80, 6.0), None);
    assert_eq!(target_for(f64::MAX, f64::MIN_POSITIVE), None);
    assert_eq!(target_for(f64::MIN_POSITIVE, f64::MAX), Some(Target::MAX));
    assert_eq!(target_for(0.05, 6.0), Some(Target::MAX));
    assert_eq!(target_for(5e-324, 5e-324).unwrap(), target_for(1.0, 1.0).unwrap());
    // Beyond an f64.
    assert_eq!(hashrate_of(&Target([0; 32]), f64::MAX), None);
    assert_eq!(hashrate_of(&Target::MAX, 5e-324), None);
}

#[test]
fn a_nominal_hash_rate_is_what_an_f32_can_hold() {
    assert_eq!(nominal_hash_rate(1e15), 1e15);
    assert_eq!(nominal_hash_rate(1e300), f32::MAX);
    assert_eq!(nominal_hash_rate(f64::INFINITY), f32::MAX);
    for nothing in [0.0, -5.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
        assert_eq!(nominal_hash_rate(nothing), 0.0, "{nothing}");
    }
}
